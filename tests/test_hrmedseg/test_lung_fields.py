"""Lung fields from a scan: a block of tissue with two lungs, a bubble and air around it."""
import json

import cv2
import nibabel
import numpy as np
import pytest
from tool_runs import load_tool

from medseg.data.coco_file import annotation_mask
from projects.hrmedseg.datasets.lung_fields import grey_slices, lung_mask

TOOL = 'tools/data/lung_fields.py'


def make_scan(shift=0):
    """(slices, rows, columns) in HU: 10 slices of 40 x 60."""
    scan = np.full((10, 40, 60), -1000, np.int16)
    scan[:, 4:36, 6:54] = 40  # the body; the air around it touches the rim
    scan[2:8, 10:30, 10 + shift:26 + shift] = -850  # lungs of 6 x 20 x 16 and 6 x 20 x 14 voxels
    scan[2:8, 10:30, 34:48] = -850
    scan[4, 6, 30] = -900  # a bubble
    return scan


def write_scan(path, scan):
    nibabel.save(nibabel.Nifti1Image(scan.transpose(2, 1, 0), np.eye(4)), path)
    return path


def test_lungs_are_large_air_inside():
    mask = lung_mask(make_scan(), smallest=100)
    assert mask.sum() == 6 * 20 * (16 + 14)
    assert not mask[:, :4].any() and not mask[4, 6, 30]
    assert lung_mask(make_scan(), smallest=6 * 20 * 14).sum() == 6 * 20 * 16


def test_window():
    assert grey_slices(np.array([[[-2000, -1000, -300, 400, 3000]]]))[0, 0].tolist() == [
        0, 0, 128, 255, 255]


def test_tool(tmp_path):
    first = write_scan(tmp_path / 'a.nii', make_scan())
    second = write_scan(tmp_path / 'b.nii', make_scan(2))
    out = tmp_path / 'lungs'
    assert load_tool(TOOL).main([str(first), str(second), str(out), '--smallest', '100']) == 0
    train, test = (json.loads((out / 'annotations' / f'instances_{name}.json').read_text())
                   for name in ('train', 'test'))
    assert [image['file_name'] for image in train['images']] == [
        f'a_{i:03d}.png' for i in range(2, 8)]
    assert {image['patient'] for image in test['images']} == {'b'}
    assert not {i['id'] for i in train['images']} & {i['id'] for i in test['images']}
    mask = annotation_mask(test['annotations'][0], 40, 60)
    assert np.array_equal(mask, lung_mask(make_scan(2), 100)[2])
    assert test['annotations'][0]['bbox'] == [12, 10, 36, 20]
    picture = cv2.imread(str(out / 'images' / 'b_002.png'), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (40, 60) and picture[20, 20] == round(150 / 1400 * 255)


def test_wrong_input(tmp_path, error_of):
    scan = write_scan(tmp_path / 'a.nii', make_scan())
    other = write_scan(tmp_path / 'b.nii', np.full((4, 20, 20), 40, np.int16))
    assert 'no lung found in 10 slices' in error_of(TOOL, scan, other, tmp_path / 'x')
    assert 'b.nii: no lung found in 4 slices' in error_of(
        TOOL, other, scan, tmp_path / 'y', '--smallest', '100')
    assert 'name two scans' in error_of(TOOL, scan, scan, tmp_path / 'z')
    assert 'is not empty' in error_of(TOOL, scan, other, tmp_path)


@pytest.mark.parametrize('name', ['none.nii', 'none.png'])
def test_no_scan(tmp_path, error_of, name):
    assert name in error_of(TOOL, tmp_path / name, tmp_path / 'b.nii', tmp_path / 'x')
