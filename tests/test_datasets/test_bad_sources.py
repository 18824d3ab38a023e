"""One bad file never costs the batch: it is listed with a reason, and the good one comes out."""
import base64
import io
import json
import os
import resource
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from tool_runs import ROOT, load_tool

LABELME, YOLO, SUPERVISELY = (load_tool(f'tools/data/{name}.py')
                              for name in ('labelme', 'yolo_seg', 'supervisely'))
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


def run_labelme(tmp_path, *options):
    """Exit code and report; the good image must have come out."""
    out = tmp_path / 'out'
    code = LABELME.main([str(tmp_path / 'src'), str(out), '--quiet', *options])
    report = json.loads((out / 'conversion_report.json').read_text())
    coco = json.loads((out / 'annotations/instances_all.json').read_text())
    assert 'good.png' in {image['file_name'] for image in coco['images']}
    total = report['total']
    assert total['records_in'] == total['annotations_out'] + total['merged'] + total['listed']
    return code, report, coco


def add(tmp_path, name, content, image=True):
    folder = tmp_path / 'src'
    folder.mkdir(exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(
        content).replace('x.png', f'{name}.png').encode()
    (folder / f'{name}.json').write_bytes(data)
    if image:
        (folder / f'{name}.png').write_bytes(png(value=60 + len(name)))


@pytest.mark.parametrize('case', SHAPES)
def test_labelme_shapes(tmp_path, case):
    shape, kind = SHAPES[case]
    add(tmp_path, 'good', labelme(square()))
    add(tmp_path, 'other', labelme(shape, square()))
    code, report, coco = run_labelme(tmp_path)
    assert (code, report['skipped_by_kind'], len(coco['annotations'])) == (0, {kind: 1}, 2)


@pytest.mark.parametrize('case', FILES)
def test_labelme_files(tmp_path, case):
    content, kind = FILES[case]
    add(tmp_path, 'good', labelme(square()))
    add(tmp_path, 'other', content)
    code, report, coco = run_labelme(tmp_path)
    assert code == 0
    assert (kind in report['skipped_by_kind']) if kind else len(coco['images']) == 2


def test_labelme_links_and_names(tmp_path):
    add(tmp_path, 'good', labelme(square()))
    folder = tmp_path / 'src'
    for name in ('loop.json', 'loop.png'):
        (folder / name).symlink_to(name)
    (folder / 'gone.png').symlink_to('nowhere.png')
    (folder / 'back').symlink_to('.')
    strange = os.fsencode(folder) + b'/\xff\xfe'
    for ending, data in ((b'.png', png(value=77)), (b'.json', json.dumps(
            labelme(square(), square(points=[[1, 1], [9, 1], [9, 9]]))).encode())):
        with open(strange + ending, 'wb') as file:
            file.write(data)
    long = 'b' * 250
    (folder / f'{long}.json').write_text(json.dumps(labelme(square(), imagePath='')))
    code, report, coco = run_labelme(tmp_path)
    assert code == 0
    assert [image['file_name'] for image in coco['images']] == ['good.png']
    assert report['skipped_by_kind']['broken name'] == 1
    assert report['skipped_by_kind']['broken label file'] == 1
    listed = {item['kind']: item['records'] for item in report['skipped']}
    assert listed['broken name'] == 2 and listed['missing image'] == 1


#: Where an imagePath leads, and whether ``--allow-outside`` takes it.
OUTSIDE = ['../secret.png', 'sub/../../secret.png', '..\\secret.png', '{root}/secret.png',
           'link.png', 'folder/secret.png']


@pytest.mark.parametrize('name', OUTSIDE)
def test_images_outside_the_source(tmp_path, name):
    (tmp_path / 'secret.png').write_bytes(png(value=200))
    add(tmp_path, 'good', labelme(square()))
    (tmp_path / 'src/sub').mkdir()
    (tmp_path / 'src/link.png').symlink_to('../secret.png')
    (tmp_path / 'src/folder').symlink_to('..')
    add(tmp_path, 'other', labelme(square(), imagePath=name.format(root=tmp_path)), image=False)
    _, report, coco = run_labelme(tmp_path)
    assert len(coco['images']) == 1
    assert report['skipped_by_kind']['image elsewhere'] == 1
    assert '--allow-outside' in str(report['skipped'])
    _, _, coco = run_labelme(tmp_path, '--allow-outside', '--overwrite')
    assert 'other.png' in {image['file_name'] for image in coco['images']}
    assert (tmp_path / 'out/images/other.png').read_bytes() == png(value=200)


def test_an_image_of_the_same_name_beside_it_is_taken_instead(tmp_path):
    (tmp_path / 'good.png').write_bytes(png(value=200))
    add(tmp_path, 'good', labelme(square(), imagePath='../good.png'))
    _, report, _ = run_labelme(tmp_path)
    assert (tmp_path / 'out/images/good.png').read_bytes() == png(value=64)
    assert not report['skipped']


def box(low, high, group=1):
    return square(points=[[low, low], [high, low], [high, high], [low, high]], group_id=group)


#: Rings of one group: area filled, area with --holes.
NESTED = {
    'hole': ([box(0, 30), box(10, 20)], 900, 800),
    'island in a hole': ([box(0, 30), box(5, 25), box(10, 20)], 900, 600),
    'two holes': ([box(0, 30), box(2, 10), box(15, 25)], 900, 736),
    'beside': ([box(0, 10), box(20, 30)], 200, 200),
    'overlapping': ([box(0, 20), box(10, 30)], 700, 700),
    'another group': ([box(0, 30), box(10, 20, group=2)], 1000, 1000),
}


@pytest.mark.parametrize('case', NESTED)
def test_holes(tmp_path, case):
    shapes, filled, cut = NESTED[case]
    add(tmp_path, 'good', labelme(*shapes))
    _, report, coco = run_labelme(tmp_path)
    assert sum(item['area'] for item in coco['annotations']) == filled
    assert ('filled hole' in report['warnings_by_kind']) == (filled != cut)
    _, report, coco = run_labelme(tmp_path, '--holes', '--overwrite')
    assert sum(item['area'] for item in coco['annotations']) == cut
    assert ('hole cut' in report['warnings_by_kind']) == (filled != cut)
    assert all(abs(item['area'] - sum(map(shoelace, item['segmentation']))) < 1e-6
               for item in coco['annotations'] if case != 'overlapping')


def shoelace(flat):
    x, y = np.reshape(flat, (-1, 2)).T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


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


@pytest.mark.parametrize('case', OBJECTS)
def test_supervisely_objects(tmp_path, case):
    item, kind = OBJECTS[case]
    report = run_supervisely(tmp_path, json.dumps({'objects': [item, thing()]}).encode())
    assert report['skipped_by_kind'] == {kind: 1}
    assert report['total']['annotations_out'] == 2


@pytest.mark.parametrize('data', [DEEP.encode(), b'{"objects": %s}' % DEEP.encode(), b'\xff', b'5',
                                  b'{"objects": {}}', b'{"objects": [], "size": 5}',
                                  b'{"objects": [], "size": %s}' % (b'9' * 5000)])
def test_supervisely_files(tmp_path, data):
    report = run_supervisely(tmp_path, data)
    assert report['skipped_by_kind'] == {'broken label file': 1}


def run_supervisely(tmp_path, data):
    """Report of a project with a good image and one whose annotation file is ``data``."""
    for folder in ('ann', 'img'):
        (tmp_path / 'src/ds' / folder).mkdir(parents=True)
    (tmp_path / 'src/meta.json').write_text('{"classes": [{"title": "bone"}]}')
    for name, content in (('good', json.dumps({'objects': [thing()]}).encode()), ('other', data)):
        (tmp_path / f'src/ds/img/{name}.png').write_bytes(png(value=len(name)))
        (tmp_path / f'src/ds/ann/{name}.png.json').write_bytes(content)
    assert SUPERVISELY.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--quiet']) == 0
    report = json.loads((tmp_path / 'out/conversion_report.json').read_text())
    assert report['total']['images_out'] >= 1
    return report


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


def run_yolo(tmp_path, data, names=b'names: [bone]\n', code=0):
    for folder in ('images/train', 'labels/train'):
        (tmp_path / 'src' / folder).mkdir(parents=True)
    (tmp_path / 'src/data.yaml').write_bytes(names)
    for name, content in (('good', TRIANGLE), ('other', data)):
        (tmp_path / f'src/images/train/{name}.png').write_bytes(png(value=len(name)))
        label = tmp_path / f'src/labels/train/{name}.txt'
        if content is None:
            label.symlink_to(label.name)
        else:
            label.write_bytes(content)
    assert YOLO.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--quiet',
                      '--skip-unknown']) == code
    if code == 0:
        return json.loads((tmp_path / 'out/conversion_report.json').read_text())
    return None


@pytest.mark.parametrize('case', LINES)
def test_yolo_lines(tmp_path, case):
    line, kind = LINES[case]
    report = run_yolo(tmp_path, line + b'\n' + TRIANGLE)
    assert report['skipped_by_kind'] == {kind: 1}
    assert report['total']['annotations_out'] == 2


@pytest.mark.parametrize('unlabelled', ['skip', 'background'])
def test_yolo_label_that_is_a_looped_link(tmp_path, unlabelled):
    report = run_yolo(tmp_path, None)
    assert report['skipped_by_kind'] == {'broken label file': 1}
    assert report['total']['images_out'] == 1


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


@pytest.mark.parametrize('case', YAMLS)
def test_yaml(tmp_path, case, capsys):
    names, message = YAMLS[case]
    run_yolo(tmp_path, TRIANGLE, names, code=2)
    error = capsys.readouterr().err
    assert message in error and 'data.yaml' in error and len(error) < 2000


#: Runs a tool in a process that may take 2 GB.
LIMITED = ('import resource, runpy, sys; sys.argv = sys.argv[1:];'
           'resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30));'
           'runpy.run_path(sys.argv[0], run_name="__main__")')


def test_bombs_stay_below_two_gigabytes(tmp_path):
    """All files that unpack to much, in one run of each converter that may take 2 GB and 30 s."""
    add(tmp_path, 'good', labelme(square()))
    for number, name in enumerate(('mask of 16000 squared', 'a million points', 'miles around')):
        add(tmp_path, f'bad{number}', labelme(SHAPES[name][0]))
    for number, name in enumerate(('deep', 'image data of 16000 squared')):
        add(tmp_path, f'file{number}', FILES[name][0])
    rng = np.random.default_rng(0)
    add(tmp_path, 'tangle', labelme(square(points=(rng.random((90_000, 2)) * 40).tolist())))
    result = subprocess.run(
        [sys.executable, '-c', LIMITED, 'tools/data/labelme.py', str(tmp_path / 'src'),
         str(tmp_path / 'out'), '--quiet'], cwd=ROOT, capture_output=True, text=True, timeout=100,
        env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'images 7 in' in result.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20
