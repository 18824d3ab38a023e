"""Whatever the JSON, the line or the numbers: a value or a sentence, in bounded time."""
import json

import numpy as np
from bad_coco_files import HEIGHT, WIDTH, sound
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from medseg.data.coco_file import annotation_mask
from medseg.data.coco_rules import BROKEN, REMARK, find_faults, usable_content
from medseg.data.convert.geometry import mask_to_polygons, polygons_area, rasterize
from medseg.data.convert.labelme_reader import label_of, shape_polygons
from medseg.data.convert.records import RecordError
from medseg.data.convert.shape_rules import make_instance
from medseg.data.convert.supervisely_reader import object_polygons
from medseg.data.convert.yolo_seg_reader import parse_line
from medseg.data.outlines import check_points, encoded, run_lengths
from medseg.errors import UserError

CAREFUL = settings(max_examples=150, deadline=20_000,
                   suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 70), st.integers(), st.just(10 ** 400),
    st.floats(), st.sampled_from(['', '1', 'bone', '\ud800', '../x', 'a' * 300, 'nan']))
JSON = st.recursive(SCALARS, lambda inner: st.one_of(
    st.lists(inner, max_size=8), st.dictionaries(st.sampled_from(
        ['id', 'size', 'counts', 'points', 'exterior', 'interior', 'x']), inner, max_size=4)),
    max_leaves=12)
COORDINATES = st.one_of(st.floats(-5, 70), st.floats(), st.integers(-10, 10 ** 12),
                        st.just(10 ** 400))
POINTS = st.lists(st.lists(COORDINATES, min_size=2, max_size=2), max_size=30)
RLES = st.fixed_dictionaries({
    'size': st.one_of(st.just([HEIGHT, WIDTH]), st.lists(st.integers(-1, 2 ** 40), max_size=3)),
    'counts': st.one_of(st.lists(st.integers(-5, 3000), max_size=20), st.text(max_size=40),
                        st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=40),
                        JSON)})
SEGMENTATIONS = st.one_of(
    JSON, RLES, st.lists(st.lists(COORDINATES, max_size=20), max_size=4),
    st.lists(st.lists(st.floats(-20, 90), min_size=6, max_size=60), min_size=1, max_size=3))


def entries(key):
    """A change of one field of one entry, or an entry that is anything."""
    fields = sorted({name for entry in sound()[key] for name in entry} | {'extra'})
    value = st.one_of(JSON, SEGMENTATIONS, st.lists(COORDINATES, min_size=4, max_size=4))
    return st.tuples(st.just(key), st.integers(0, 1), st.sampled_from([*fields, None]), value)


CHANGES = st.lists(st.sampled_from(['images', 'annotations', 'annotations', 'categories'])
                   .flatmap(entries), min_size=1, max_size=5)


@CAREFUL
@given(CHANGES)
def test_any_coco_file(changes):
    """What is left of a file can be used to the last mask; what is left out, is a fault."""
    content = sound()
    for key, number, field, value in changes:
        if number < len(content[key]):
            if field is None:
                content[key][number] = value
            elif isinstance(content[key][number], dict):
                content[key][number][field] = value
    faults = find_faults(content)
    assert all(str(fault.reason) and len(fault.reason) < 1000 for fault in faults)
    try:
        usable, left_out = usable_content(content, 'a.json')
    except UserError as error:
        assert any(fault.effect != REMARK for fault in faults) and len(str(error)) < 2000
        return
    lost = len(content['annotations']) - len(usable['annotations'])
    assert sum(n for kind, n in left_out.items() if kind.startswith('objects')) == lost
    assert not lost or any(fault.effect != REMARK for fault in faults)
    sizes = {image['id']: (image['height'], image['width']) for image in usable['images']}
    for item in usable['annotations']:
        mask = annotation_mask(item, *sizes[item['image_id']])
        assert mask.shape == sizes[item['image_id']]
        assert item['area'] > 0 and min(item['bbox'][2:]) >= 1
    again, more = usable_content(json.loads(json.dumps(usable)), 'a.json')
    assert not more and len(again['annotations']) == len(usable['annotations'])
    assert not [fault for fault in find_faults(usable) if fault.effect == BROKEN]


@CAREFUL
@given(SEGMENTATIONS)
def test_any_segmentation(segmentation):
    """Run lengths that pass are those that pycocotools decodes, and fill the image exactly."""
    try:
        rle = encoded(segmentation, HEIGHT, WIDTH)
    except RecordError as error:
        assert error.kind and error.reason
        return
    mask = mask_utils.decode(rle)
    assert mask.shape == (HEIGHT, WIDTH) and mask.max(initial=0) <= 1
    runs = run_lengths(rle['counts'], HEIGHT * WIDTH)
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    assert np.array_equal(flat.reshape(WIDTH, HEIGHT).T, mask)


@CAREFUL
@given(st.integers(1, 24), st.integers(1, 24), st.floats(0, 1), st.integers(0, 2 ** 32 - 1))
def test_any_mask_keeps_its_pixels(height, width, share, seed):
    mask = np.random.default_rng(seed).random((height, width)) < share
    rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
    rle['counts'] = rle['counts'].decode()
    assert np.array_equal(mask_utils.decode(encoded(rle, height, width)), mask)
    rings = mask_to_polygons(mask)
    if rings:
        assert np.array_equal(rasterize(rings, height, width), mask)
        x, y = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)]) for ring in rings],
                              axis=1).transpose(2, 0, 1)
        assert abs((x[0] * y[1] - x[1] * y[0]).sum()) / 2 == mask.sum()


#: Three vertices within 1e-47 of each other and many crossings there, at which GEOS gave up.
STAR = [(-66e3, 77e3), (0, 5.226538893140039e-103), (-37e3, 0), (0, 0), (46e3, 89e3),
        (0, 1.5610446888698425e-48), (-27e3, -88e3), (-49e3, 17e3), (91e3, 7e3), (-61e3, 0),
        (58e3, -1), (12e3, 1e5), (54e3, -82e3)]


@CAREFUL
@example(STAR)
@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=3, max_size=60))
def test_any_ring_can_be_measured(points):
    ring = np.array(points)
    try:
        check_points(ring)
    except RecordError:
        return
    area = polygons_area([ring])
    width, height = np.ptp(ring, axis=0)
    assert 0 <= area <= 1.01 * width * height + 1e-6


@CAREFUL
@given(st.fixed_dictionaries({}, optional={
    'label': JSON, 'points': st.one_of(POINTS, JSON), 'mask': JSON,
    'shape_type': st.one_of(st.sampled_from(['polygon', 'rectangle', 'circle', 'mask', 'rotation',
                                             'line']), JSON)}))
def test_any_labelme_shape(shape):
    usable(lambda warn: shape_polygons(shape, WIDTH, HEIGHT, warn))
    try:
        label_of(shape).encode()
    except RecordError as error:
        assert error.kind == 'broken record'


@CAREFUL
@given(st.fixed_dictionaries({}, optional={
    'geometryType': st.one_of(st.sampled_from(['polygon', 'rectangle', 'bitmap']), JSON),
    'bitmap': JSON, 'points': st.one_of(JSON, st.fixed_dictionaries({
        'exterior': POINTS, 'interior': st.lists(POINTS, max_size=2)}))}))
def test_any_supervisely_object(item):
    usable(lambda warn: object_polygons(item, WIDTH, HEIGHT, warn))


@CAREFUL
@given(st.one_of(st.text(max_size=80), st.lists(st.one_of(
    st.floats().map(str), st.integers(0, 2).map(str), st.text(max_size=3)), min_size=1,
    max_size=20).map(' '.join)).filter(str.strip))
def test_any_yolo_line(text):
    try:
        number, points = parse_line(text, 2)
    except RecordError as error:
        assert error.kind and error.reason
        return
    assert number in (0, 1) and len(points) >= 3 and np.isfinite(points).all()


def usable(read):
    """Rings inside the image with an area, or a reason."""
    said = []
    try:
        rings, area = read(lambda *what: said.append(what))
        instance = make_instance(0, rings, 'here', lambda *what: said.append(what), area)
    except RecordError as error:
        assert error.kind and error.reason
        return
    points = np.concatenate(instance.polygons)
    assert (points >= -1e-6).all() and (points <= np.add((WIDTH, HEIGHT), 1e-6)).all()
    assert 0 < instance.area <= WIDTH * HEIGHT * 1.01
