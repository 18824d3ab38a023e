"""Bad COCO files: one table that the tests of the checker, training and all tools share.

Each row changes a sound file of two images with two objects each.
"""
import numpy as np
from pycocotools import mask as mask_utils

WIDTH, HEIGHT = 60, 40
OBJECTS = 4
ALL = f'{OBJECTS} objects'


def sound():
    """Two images of 60x40 with two rectangles each."""
    annotations = [
        {'id': 10 * i + k, 'image_id': i, 'category_id': 1, 'iscrowd': 0, 'area': 100,
         'bbox': [5 + 20 * k, 5, 10, 10], 'segmentation': [
             [5 + 20 * k, 5, 15 + 20 * k, 5, 15 + 20 * k, 15, 5 + 20 * k, 15]]}
        for i in (1, 2) for k in (0, 1)]
    return {'images': [{'id': i, 'file_name': f'{i}.png', 'width': WIDTH, 'height': HEIGHT}
                       for i in (1, 2)],
            'annotations': annotations, 'categories': [{'id': 1, 'name': 'bone'}]}


def rle(compressed=True, **changes):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:15, 5:15] = 1
    found = mask_utils.encode(np.asfortranarray(mask))
    if compressed:
        return {'size': [HEIGHT, WIDTH], 'counts': found['counts'].decode(), **changes}
    runs = [5 * HEIGHT + 5, *[10, HEIGHT - 10] * 9, 10]
    return {'size': [HEIGHT, WIDTH], 'counts': [*runs, HEIGHT * WIDTH - sum(runs)], **changes}


def noise():
    """A mask of 60x40 has too few borders to be refused; this is its like as an outline."""
    points = np.random.default_rng(0).random((50, 2)) * (WIDTH, HEIGHT)
    return [points.reshape(-1).tolist()]


def change(key, number=0, **values):
    """A row that sets fields of one entry; ``...`` takes a field away."""
    def apply(content):
        for name, value in values.items():
            if value is ...:
                del content[key][number][name]
            else:
                content[key][number][name] = value
    return apply


def ann(**values):
    return change('annotations', **values)


def image(**values):
    return change('images', **values)


DEEP = '[' * 100_000 + ']' * 100_000
HUGE = 10 ** 400
OUT = '3 objects'  # one of four is left out, and said
GONE = '2 objects'  # those of one image

#: Name: change, what training does with it, what kind the checker finds (None: nothing).
ROWS = {
    'sound': (lambda content: None, ALL, None),
    'no iscrowd': (ann(iscrowd=...), ALL, None),
    'no area': (ann(area=...), ALL, None),
    'compressed rle': (ann(segmentation=rle()), ALL, None),
    'run lengths': (ann(segmentation=rle(False)), ALL, None),
    'crowd': (ann(iscrowd=1, segmentation=rle(False)), ALL, None),
    'whole numbers as floats': (image(width=60.0, height=40.0), ALL, None),
    'other keys': (lambda content: content.update(info={'a': [1]}, licenses=None), ALL, None),
    'a tangle': (ann(segmentation=noise()), ALL, None),
    'a category without objects': (
        lambda content: content['categories'].append({'id': 0, 'name': 'bones'}), ALL, None),
    # objects: left out and counted
    'no width': (ann(bbox=[5, 5, 0, 10]), OUT, 'zero area'),
    'negative width': (ann(bbox=[15, 5, -10, 10]), OUT, 'zero area'),
    'half a pixel': (ann(bbox=[5, 5, 0.5, 10]), OUT, 'under one pixel'),
    'box outside': (ann(bbox=[500, 5, 10, 10]), OUT, 'box outside'),
    'nan box': (ann(bbox=[5, 5, float('nan'), 10]), OUT, 'broken box'),
    'infinite box': (ann(bbox=[5, 5, float('inf'), 10]), OUT, 'broken box'),
    'huge box': (ann(bbox=[5, 5, HUGE, 10]), OUT, 'broken box'),
    'far box': (ann(bbox=[0, 0, 1e308, 1e308]), OUT, 'broken box'),
    'box of text': (ann(bbox=['5', '5', '10', '10']), OUT, 'broken box'),
    'box of three': (ann(bbox=[5, 5, 10]), OUT, 'broken box'),
    'box is null': (ann(bbox=None), OUT, 'broken box'),
    'zero area': (ann(area=0), OUT, 'zero area'),
    'negative area': (ann(area=-5), OUT, 'zero area'),
    'nan area': (ann(area=float('nan')), OUT, 'zero area'),
    'area of text': (ann(area='100'), OUT, 'zero area'),
    'huge area': (ann(area=HUGE), OUT, 'zero area'),
    'iscrowd 2': (ann(iscrowd=2), OUT, 'broken record'),
    'iscrowd of text': (ann(iscrowd='no'), OUT, 'broken record'),
    'line': (ann(segmentation=[[5, 5, 10, 10, 15, 15]]), OUT, 'zero area'),
    'two points': (ann(segmentation=[[5, 5, 10, 10]]), OUT, 'broken outline'),
    'odd numbers': (ann(segmentation=[[5, 5, 10, 10, 15, 5, 9]]), OUT, 'broken outline'),
    'outline of text': (ann(segmentation=[['5', '5', '9', '9', '5', '9']]), OUT,
                        'broken outline'),
    'outline of lists': (ann(segmentation=[[[5, 5], [9, 9], [5, 9], 1, 2, 3]]), OUT,
                         'broken outline'),
    'outline of true': (ann(segmentation=[[True, 5, 9, 9, 5, 9]]), OUT, 'broken outline'),
    'flat outline': (ann(segmentation=[5, 5, 9, 9, 5, 9]), OUT, 'broken outline'),
    'text': (ann(segmentation='5 5 9 9 5 9'), OUT, 'broken outline'),
    'number': (ann(segmentation=7), OUT, 'broken outline'),
    'empty outline': (ann(segmentation=[]), OUT, 'broken outline'),
    'null outline': (ann(segmentation=None), OUT, 'broken outline'),
    'no outline': (ann(segmentation=...), OUT, 'broken record'),
    'nan point': (ann(segmentation=[[5, 5, 9, float('nan'), 5, 9]]), OUT, 'not finite'),
    '1e308': (ann(segmentation=[[5, 5, 1e308, 9, 5, 9]]), OUT, 'outside the image'),
    '-1e308': (ann(segmentation=[[5, 5, -1e308, 9, 5, 9]]), OUT, 'outside the image'),
    '400 digits': (ann(segmentation=[[5, 5, HUGE, 9, 5, 9]]), OUT, 'not finite'),
    'miles of outline': (ann(segmentation=[[0, 0, 90_000, 90_000] * 100]), OUT,
                         'outline too long'),
    'a million points': (ann(segmentation=[[1, 1, 9, 1, 9, 9] * 40_000]), OUT,
                         'too many points'),
    'rle of another size': (ann(segmentation=rle(size=[WIDTH, HEIGHT])), OUT, 'wrong size'),
    'rle of a huge size': (ann(segmentation=rle(size=[2147483647, 2147483647])), OUT,
                           'wrong size'),
    'rle of a negative size': (ann(segmentation=rle(size=[-HEIGHT, -WIDTH])), OUT, 'wrong size'),
    'rle without size': (ann(segmentation={'counts': [2400]}), OUT, 'wrong size'),
    'rle of no counts': (ann(segmentation={'size': [HEIGHT, WIDTH]}), OUT, 'broken run lengths'),
    'empty run lengths': (ann(segmentation=rle(counts=[])), OUT, 'zero area'),
    'empty text': (ann(segmentation=rle(counts='')), OUT, 'zero area'),
    'background alone': (ann(segmentation=rle(counts=[HEIGHT * WIDTH])), OUT, 'zero area'),
    'runs too short': (ann(segmentation=rle(counts=[10, 5])), OUT, 'broken run lengths'),
    'runs too long': (ann(segmentation=rle(counts=[10, 5000])), OUT, 'broken run lengths'),
    'negative run': (ann(segmentation=rle(counts=[2410, -10])), OUT, 'broken run lengths'),
    'run of 2 ** 32': (ann(segmentation=rle(counts=[2 ** 32, HEIGHT * WIDTH])), OUT,
                       'broken run lengths'),
    'run of text': (ann(segmentation=rle(counts=['2400'])), OUT, 'broken run lengths'),
    'garbage text': (ann(segmentation=rle(counts='garbage')), OUT, 'broken run lengths'),
    'text cut off': (ann(segmentation=rle(counts=rle()['counts'][:-1])), OUT,
                     'broken run lengths'),
    'endless number': (ann(segmentation=rle(counts='o' * 50)), OUT, 'broken run lengths'),
    'text with umlauts': (ann(segmentation=rle(counts='äöü')), OUT, 'broken run lengths'),
    'unknown category': (ann(category_id=9), OUT, 'unknown category'),
    'category is a list': (ann(category_id=[1]), OUT, 'unknown category'),
    'category is huge': (ann(category_id=HUGE), OUT, 'unknown category'),
    'unknown image': (ann(image_id=99), OUT, 'unknown image'),
    'image is an object': (ann(image_id={'id': 1}), OUT, 'unknown image'),
    'annotation is text': (lambda content: content['annotations'].__setitem__(0, 'x'), OUT,
                           'broken record'),
    'annotation is empty': (lambda content: content['annotations'].__setitem__(0, {}), OUT,
                            'broken record'),
    # ids of annotations say nothing: taken, and found
    'doubled annotation id': (ann(id=11), ALL, 'duplicate id'),
    'annotation id is a list': (ann(id=[1]), ALL, 'broken id'),
    'annotation id is huge': (ann(id=HUGE), ALL, 'broken id'),
    'no annotation id': (ann(id=...), ALL, 'broken record'),
    'no box': (ann(bbox=...), ALL, 'broken record'),
    'outline over the rim': (ann(segmentation=[[5, 5, 75, 5, 75, 15, 5, 15]]), ALL,
                             'outline outside'),
    'box over the rim': (ann(bbox=[5, 5, 100, 10]), ALL, 'box outside'),
    # images: left out and counted, with their objects
    'doubled image id': (image(id=2), 'refused', 'duplicate id'),
    'image id is a list': (image(id=[1]), GONE, 'broken id'),
    'image id is text': (image(id='1'), GONE, 'broken id'),
    'image id is huge': (image(id=HUGE), GONE, 'broken id'),
    'no file name': (image(file_name=...), GONE, 'broken record'),
    'file name is a number': (image(file_name=1), GONE, 'broken name'),
    'file name is empty': (image(file_name=' '), GONE, 'broken name'),
    'half a character': (image(file_name='\ud800.png'), GONE, 'broken name'),
    'endless name': (image(file_name='a' * 5000 + '.png'), GONE, 'broken name'),
    'zero byte': (image(file_name='1\0.png'), GONE, 'broken name'),
    'no size': (image(width=...), GONE, 'broken record'),
    'size zero': (image(width=0), GONE, 'broken size'),
    'size negative': (image(width=-60), GONE, 'broken size'),
    'size of text': (image(width='60'), GONE, 'broken size'),
    'size nan': (image(width=float('nan')), GONE, 'broken size'),
    'size infinite': (image(width=float('inf')), GONE, 'broken size'),
    'size of 2 ** 31': (image(width=2 ** 31, height=2 ** 31), GONE, 'too large'),
    'size of 400 digits': (image(width=HUGE), GONE, 'broken size'),
    'a thread': (image(width=3000, height=1), GONE, 'too narrow'),
    'image is text': (lambda content: content['images'].__setitem__(0, 'x'), GONE,
                      'broken record'),
    # the file: refused
    'name leads out': (image(file_name='../1.png'), 'refused', 'leads out'),
    'name leads out inside': (image(file_name='a/../../1.png'), 'refused', 'leads out'),
    'name leads out backwards': (image(file_name='..\\1.png'), 'refused', 'leads out'),
    'absolute name': (image(file_name='/etc/hostname'), 'refused', 'leads out'),
    'drive': (image(file_name='C:\\1.png'), 'refused', 'leads out'),
    'category id is a list': (change('categories', id=[1]), 'refused', 'broken id'),
    'category without name': (change('categories', name=...), 'refused', 'broken record'),
    'category name is null': (change('categories', name=None), 'refused', 'broken name'),
    'category is text': (lambda content: content['categories'].__setitem__(0, 'bone'), 'refused',
                         'broken record'),
    'doubled category id': (lambda content: content['categories'].append(
        {'id': 1, 'name': 'nerve'}), 'refused', 'duplicate id'),
    'doubled category name': (lambda content: content['categories'].append(
        {'id': 2, 'name': 'bone'}), 'refused', 'duplicate name'),
    'no images': (lambda content: content.update(images=[], annotations=[]), 'refused',
                  'broken file'),
    'no categories': (lambda content: content.update(categories=[]), 'refused', 'broken file'),
    'images are an object': (lambda content: content.update(images={}), 'refused', 'broken file'),
    'no annotations key': (lambda content: content.pop('annotations'), 'refused', 'broken file'),
}

#: Bytes in place of the file.
FILES = {
    'empty': b'', 'text': b'hello', 'half': b'{"images": [', 'list': b'[1, 2]', 'null': b'null',
    'bytes': bytes(range(256)), 'deep': DEEP.encode(), 'deep inside': b'{"images": %s}'
    % DEEP.encode(), 'html': b'<html></html>', '5000 digits': b'{"images": %s}' % (b'9' * 5000),
}
