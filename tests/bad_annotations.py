"""Bad LabelMe, Supervisely and YOLO files: tables that tests and documentation share."""
import base64
import io
import zlib

import numpy as np
from PIL import Image

SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]
HUGE = 10 ** 400
DEEP = '[' * 100_000 + ']' * 100_000


def png(width=40, height=40, value=90):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), value, np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


def text(data):
    return base64.b64encode(data).decode()


def packed(data):
    return text(zlib.compress(data, 9))


#: A bitmap of 16000x16000 pixels is a few kB; so are 200 MB of zeros.
VAST, ZEROS = png(16_000, 16_000), bytes(200 << 20)
NOISE = png()[:-30]


def square(**changes):
    return {'label': 'bone', 'points': SQUARE, 'shape_type': 'polygon', **changes}


def labelme(*shapes, **content):
    return {'imagePath': 'x.png', 'imageData': None, 'imageWidth': 40, 'imageHeight': 40,
            'shapes': list(shapes), **content}


#: One shape each: kind of the finding.
SHAPES = {
    '400 digits': (square(points=[[HUGE, 1], [5, 5], [9, 1]]), 'not a number'),
    '1e308': (square(points=[[1e308, 1], [5, 5], [9, 1]]), 'outside the image'),
    'nan': (square(points=[[float('nan'), 1], [5, 5], [9, 1]]), 'not finite'),
    'null': (square(points=None), 'odd number of coordinates'),
    'deep points': (square(points=[[[[1, 2]]]]), 'odd number of coordinates'),
    'points of objects': (square(points=[{'x': 1}, {'x': 2}]), 'not a number'),
    'a million points': (square(points=[[1, 1], [9, 1], [9, 9]] * 100_000), 'too many points'),
    'miles around': (square(points=[[0, 0], [40, 40]] * 40_000), 'outline too long'),
    'circle of 1e308': (square(points=[[5, 5], [1e308, 5]], shape_type='circle'),
                        'outside the image'),
    'circle of nan': (square(points=[[5, 5], [float('nan'), 5]], shape_type='circle'),
                      'not finite'),
    'rectangle of infinity': (square(points=[[5, 5], [float('inf'), 5]], shape_type='rectangle'),
                              'not finite'),
    'mask of 16000 squared': (square(points=[[5, 5], [9, 9]], shape_type='mask',
                                     mask=text(VAST)), 'broken record'),
    'mask of bytes': (square(points=[[5, 5], [9, 9]], shape_type='mask', mask=text(NOISE)),
                      'broken record'),
    'mask is a number': (square(points=[[5, 5], [9, 9]], shape_type='mask', mask=7),
                         'broken record'),
    'mask far away': (square(points=[[1e300, 5], [9, 9]], shape_type='mask', mask=text(png())),
                      'outside the image'),
    'type is a list': (square(shape_type=['polygon']), 'unsupported shape'),
    'label is a list': (square(label=['bone']), 'broken record'),
    'label is half a character': (square(label='\ud800'), 'broken record'),
    'shape is null': (None, 'broken record'),
}

#: One file each, as an object or as bytes, and the kind of the finding.
FILES = {
    'deep': (DEEP.encode(), 'broken label file'),
    'deep inside': (b'{"shapes": %s}' % DEEP.encode(), 'broken label file'),
    '5000 digits': (b'{"shapes": [], "imageWidth": %s}' % (b'9' * 5000), 'broken label file'),
    'bytes': (bytes(range(256)), 'broken label file'),
    'utf-16': ('{"shapes": []}'.encode('utf-16'), 'broken label file'),
    'empty': (b'', 'broken label file'),
    'shapes are a number': ({'shapes': 5}, 'broken label file'),
    'endless name': (labelme(imagePath='a' * 5000 + '.png'), None),
    'zero byte': (labelme(imagePath='a\0.png'), None),
    'half a character': (labelme(imagePath='\ud800.png'), None),
    'name is a list': (labelme(imagePath=['x.png']), None),
    'size of 400 digits': (labelme(imageWidth=HUGE, imageHeight=HUGE), None),
    'size is a list': (labelme(imageWidth=[40], imageHeight=[40]), None),
    'image data of bytes': (labelme(imageData='!!!'), None),
    'image data is a number': (labelme(imageData=5), None),
    'image data of 16000 squared': (labelme(imageData=text(VAST), imagePath='gone.png'), None),
    'group is an object': (labelme(square(group_id={'a': [1]})), None),
}


def thing(**changes):
    return {'classTitle': 'bone', 'geometryType': 'polygon',
            'points': {'exterior': SQUARE, 'interior': []}, **changes}


def bitmap(data, origin=(0, 0)):
    return {'classTitle': 'bone', 'geometryType': 'bitmap',
            'bitmap': {'data': data, 'origin': origin}}


OBJECTS = {
    '400 digits': (thing(points={'exterior': [[HUGE, 1], [5, 5], [9, 1]]}), 'not a number'),
    '1e308': (thing(points={'exterior': [[1e308, 1], [5, 5], [9, 1]]}), 'outside the image'),
    'holes of 1e308': (thing(points={'exterior': SQUARE, 'interior': [
        [[1e308, 1], [5, 5], [9, 1]]]}), 'outside the image'),
    'interior is a number': (thing(points={'exterior': SQUARE, 'interior': 5}), 'broken record'),
    'points are a list': (thing(points=SQUARE), 'broken record'),
    'kind is a list': (thing(geometryType=['polygon']), 'unsupported shape'),
    'infinite origin': (bitmap(packed(png()), [float('inf'), 0]), 'broken record'),
    'nan origin': (bitmap(packed(png()), [float('nan'), 0]), 'broken record'),
    'origin of 400 digits': (bitmap(packed(png()), [HUGE, 0]), 'broken record'),
    'origin far away': (bitmap(packed(png()), [1e300, 0]), 'broken record'),
    'origin of one': (bitmap(packed(png()), [5]), 'broken record'),
    'bitmap of 16000 squared': (bitmap(packed(VAST)), 'broken record'),
    'zlib bomb': (bitmap(packed(ZEROS)), 'broken record'),
    'bytes': (bitmap(text(b'hello')), 'broken record'),
    'no base64': (bitmap('äöü'), 'broken record'),
    'bitmap is null': ({'classTitle': 'bone', 'geometryType': 'bitmap', 'bitmap': None},
                       'broken record'),
}


TRIANGLE = b'0 0.1 0.1 0.5 0.1 0.1 0.5'
LINES = {
    'nan class': (b'nan 0.1 0.1 0.5 0.1 0.1 0.5', 'not finite'),
    '400 digits': (b'0 %s 0.1 0.5 0.1 0.1 0.5' % (b'9' * 400), 'not finite'),
    'class of 300 digits': (b'%s 0.1 0.1 0.5 0.1 0.1 0.5' % (b'9' * 300), 'unknown class'),
    '1e308': (b'0 1e308 0.1 0.5 0.1 0.1 0.5', 'not finite'),
    'bytes': (b'\xff\xfe\x00', 'not a number'),
    'a million points': (b'0' + b' 0.1 0.2 0.3' * 400_000, 'too many points'),
    'other digits': ('0 ٠.١ ٠.١ ٠.٥ ٠.١ ٠.١ x'.encode(), 'not a number'),
}


BOMB = b'a: &a [x, x, x, x, x, x, x, x, x]\n' + b''.join(
    b'%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n'
    % (letter, letter, *[letter - 1] * 9) for letter in range(ord('b'), ord('j')))
YAMLS = {
    'alias bomb': (BOMB + b'names: [*i]\n', 'write it out'),
    'alias bomb as names': (BOMB + b'names: *i\n', 'write it out'),
    'alias to itself': (b'names: &n [*n]\n', 'write it out'),
    'deep': (b'names: ' + b'[' * 5000 + b']' * 5000, 'nested too deeply'),
    'lists for names': (b'names: [[bone]]\n', 'not text'),
    'nothing for a name': (b'names: [null]\n', 'not text'),
    'a python object': (b'names: !!python/object/apply:os.system ["true"]\n', 'cannot be read'),
    'no date': (b'names: [2001-99-99]\n', 'cannot be read'),
    'bytes': (b'\xff\xfe\xfa', 'cannot be read'),
    'two megabytes': (b'names: [bone]\n' + b'#' * (2 << 20), 'cannot be read'),
    'strange numbers': (b'names: {0: a, 7: b}\n', 'number them 0 to 1'),
}
