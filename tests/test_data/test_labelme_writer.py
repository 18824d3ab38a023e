"""Predictions as LabelMe files: converted back, they are the same masks."""
import json

import numpy as np
import pytest
from PIL import Image
from tool_runs import load_tool

from medseg.data.coco_file import annotation_mask
from medseg.data.convert.geometry import mask_iou, mask_to_polygons, rasterize
from medseg.data.convert.labelme_writer import CorrectionFiles, simple_outlines
from medseg.runtime.records import encode_mask


def blobs(seed, size=(120, 160)):
    """A smooth random mask of several parts, with holes."""
    rng = np.random.default_rng(seed)
    field = np.zeros(size)
    y, x = np.mgrid[:size[0], :size[1]]
    for _ in range(9):
        cy, cx, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(10, 30)
        field += rng.choice([1.0, 1.0, -0.7]) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / r ** 2)
    return field > 0.5


@pytest.mark.parametrize('seed', range(6))
def test_round_trip(tmp_path, seed):
    source = tmp_path / 'src'
    source.mkdir()
    masks = [blobs(seed), blobs(seed + 50)]
    Image.new('RGB', (160, 120)).save(source / 'a.png')
    files = CorrectionFiles()
    files.write(source / 'a.png', (160, 120), [
        dict(category_name=name, score=0.9, segmentation=encode_mask(mask))
        for name, mask in zip(('polyp', 'vessel'), masks, strict=True)])
    assert str(files) == '1 LabelMe files beside the images'
    converter = load_tool('tools/data/labelme.py')
    assert converter.main([str(source), str(tmp_path / 'out'), '--quiet']) == 0
    content = json.loads((tmp_path / 'out/annotations/instances_all.json').read_text())
    assert [item['name'] for item in content['categories']] == ['polyp', 'vessel']
    assert [item['category_id'] for item in content['annotations']] == [1, 2]
    for annotation, mask in zip(content['annotations'], masks, strict=True):
        assert mask_iou(annotation_mask(annotation, 120, 160), mask) >= 0.99
    # What somebody has drawn is never written over.
    before = (source / 'a.json').read_bytes()
    files.write(source / 'a.png', (160, 120), [])
    assert (source / 'a.json').read_bytes() == before
    assert '1 images have one already' in str(files)


def test_outlines_are_short():
    y, x = np.mgrid[:200, :200]
    disc = (y - 100) ** 2 + (x - 100) ** 2 < 80 ** 2
    ring, = simple_outlines(disc)
    assert len(ring) < len(mask_to_polygons(disc)[0]) / 1.5
    assert simple_outlines(np.zeros((9, 9), bool)) == []
    one = np.zeros((9, 9), bool)
    one[4, 4] = True
    assert (rasterize(simple_outlines(one), 9, 9) == one).all()
