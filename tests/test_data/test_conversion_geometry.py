"""Geometry and class names of the converters, on cases that can be checked by hand."""

import json

import numpy as np
import pytest

from medseg.data.convert import geometry
from medseg.data.convert.classes import (
    PELD_CLASSES,
    ClassMap,
    load_aliases,
    load_class_names,
    merge_by_alias,
)
from medseg.data.convert.records import ConversionError, RecordError

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=float)


def test_areas_of_hand_made_polygons():
    assert geometry.polygons_area([SQUARE]) == 100
    assert geometry.polygons_area([SQUARE[::-1] + 1000]) == 100
    # overlap counts once
    assert geometry.polygons_area([SQUARE, SQUARE + (5, 0)]) == pytest.approx(150)
    # a bow tie: its signed area is 0, but it covers two triangles of 25
    bow_tie = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], dtype=float)
    assert geometry.polygons_area([bow_tie]) == pytest.approx(50)


def test_bounding_box_spans_all_parts():
    assert geometry.bounding_box([SQUARE, SQUARE + (20, 5)]) == (0, 0, 30, 15)


def test_integer_square_rasterises_to_its_pixels():
    mask = geometry.rasterize([SQUARE + 3], 20, 20)
    assert mask.sum() == 100
    assert mask[3:13, 3:13].all()


def test_bridge_keeps_holes_exactly():
    holes = [np.array([[2, 2], [4, 2], [4, 4], [2, 4]], float),
             np.array([[6, 5], [6, 9], [9, 9], [9, 5]], float)]
    ring = geometry.bridge_holes(SQUARE, holes)
    assert geometry.signed_area(ring) == 100 - 4 - 12
    expected = np.ones((10, 10), bool)
    expected[2:4, 2:4] = False
    expected[5:9, 6:9] = False
    assert np.array_equal(geometry.rasterize([ring], 10, 10), expected)


@pytest.mark.parametrize('seed', range(5))
def test_mask_outline_gives_the_mask_back(seed):
    mask = np.random.default_rng(seed).random((23, 31)) < 0.55  # many holes and corner contacts
    assert np.array_equal(geometry.rasterize(geometry.mask_to_polygons(mask), 23, 31), mask)


def test_mask_outline_of_parts_and_holes():
    mask = np.zeros((12, 12), np.uint8)
    mask[0:6, 0:6] = 1
    mask[2:4, 2:4] = 0
    mask[6:8, 6:8] = 1  # touches the first part by a corner
    polygons = geometry.mask_to_polygons(mask)
    assert [geometry.signed_area(ring) for ring in polygons] == [32, 4]


def test_circle_has_the_area_of_the_circle():
    ring = geometry.circle(np.array([50, 40]), 20)
    assert geometry.polygons_area([ring]) == pytest.approx(np.pi * 400, rel=1e-9)
    y, x = np.mgrid[:80, :100] + 0.5
    disc = (x - 50) ** 2 + (y - 40) ** 2 < 400
    assert geometry.mask_iou(geometry.rasterize([ring], 80, 100), disc) > 0.98


def test_labels_are_found_by_alias_and_without_case():
    classes = ClassMap(PELD_CLASSES, load_aliases('peld'))
    assert [classes.index(label) for label in
            ('Adiposity', 'fat', 'adipose_tissue', ' BONE', 'Ligament', 'nerve')] == [
                0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(('label', 'hint'), [
    ('nerv', "did you mean 'nerve'?"),
    ('ligamentum flavom', "did you mean 'ligamentum flavum'?"),
    ('scissors', 'the classes are adipose tissue, bone'),
])
def test_unknown_label_offers_the_nearest_class(label, hint):
    with pytest.raises(RecordError) as caught:
        ClassMap(PELD_CLASSES).index(label)
    assert hint in caught.value.reason


def test_merge_by_alias_joins_numbers_of_one_class():
    classes, numbers = merge_by_alias(['Fat', 'Bone', 'adipose'], load_aliases('peld'))
    assert classes.names == ['adipose tissue', 'bone']
    assert numbers == [0, 1, 0]


def test_class_names_come_from_files(tmp_path):
    (tmp_path / 'data.yaml').write_text('path: .\nnames:\n  0: bone\n  1: nerve\n')
    (tmp_path / 'list.yaml').write_text('names: [bone, nerve]\n')
    (tmp_path / 'names.txt').write_text('bone\n\nnerve\n')
    (tmp_path / 'names.json').write_text('["bone", "nerve"]')
    for name in ('data.yaml', 'list.yaml', 'names.txt', 'names.json'):
        assert load_class_names([str(tmp_path / name)]) == ['bone', 'nerve']
    assert load_class_names(['bone', 'nerve']) == ['bone', 'nerve']


@pytest.mark.parametrize(('content', 'message'), [
    ('names: {0: bone, 2: nerve}', 'number them 0 to 1'),
    ('nc: 3', 'no list of class names'),
    ('names: [', 'cannot be read'),
])
def test_bad_class_files_are_refused(tmp_path, content, message):
    (tmp_path / 'data.yaml').write_text(content)
    with pytest.raises(ConversionError, match=message):
        load_class_names([str(tmp_path / 'data.yaml')])


def test_missing_class_file_is_not_taken_for_a_class(tmp_path):
    with pytest.raises(ConversionError, match='no such file'):
        load_class_names([str(tmp_path / 'data.yaml')])


def test_alias_files_of_both_forms(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps({'bone': ['os', 'Knochen']}))
    (tmp_path / 'b.yaml').write_text('os: bone\nKnochen: bone\n')
    for name in ('a.json', 'b.yaml'):
        assert load_aliases(str(tmp_path / name)) == {'bone': ['os', 'Knochen']}
    (tmp_path / 'c.json').write_text('{"bone": 3}')
    with pytest.raises(ConversionError, match='bone'):
        load_aliases(str(tmp_path / 'c.json'))


def test_contradicting_classes_are_refused():
    with pytest.raises(ConversionError, match='twice'):
        ClassMap(['bone', 'Bone'])
    with pytest.raises(ConversionError, match='both'):
        ClassMap(['bone', 'nerve'], {'bone': ['x'], 'nerve': ['x']})
