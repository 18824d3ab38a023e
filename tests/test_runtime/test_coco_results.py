"""COCO results: ids, and that COCO's reader takes them."""
import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from medseg.errors import UserError
from medseg.runtime import Segmenter
from medseg.runtime.__main__ import main
from medseg.runtime.coco_results import AnnotationIds

#: The classes of the model in another order, with gaps and a category of no concern.
CATEGORIES = [dict(id=9, name='nerve'), dict(id=0, name='bone'), dict(id=40, name='extra'),
              dict(id=3, name='adipose tissue'), dict(id=7, name='ligamentum flavum')]


def write_annotations(path, images):
    """A file whose only object is what the model finds best: a bone in columns 8 to 31."""
    path.write_text(json.dumps(dict(
        images=[dict(id=number, file_name=name, width=64, height=64)
                for name, number in images.items()],
        categories=CATEGORIES,
        annotations=[dict(id=1, image_id=next(iter(images.values())), category_id=0, iscrowd=0,
                          area=24 * 32, bbox=[8, 8, 24, 32],
                          segmentation=[[8, 8, 32, 8, 32, 40, 8, 40]])])))
    return path


def test_results_can_be_scored(raw_model, tmp_path):
    source = tmp_path / 'in' / 'sub'
    source.mkdir(parents=True)
    for name in ('a.png', 'b.png', 'c.png'):
        cv2.imwrite(str(source / name), np.full((64, 64, 3), 100, np.uint8))
    ann = write_annotations(tmp_path / 'ann.json', {'sub/c.png': 55, 'a.png': 12})
    assert main([str(raw_model), str(tmp_path / 'in'), '--ann', str(ann), '--out',
                 str(tmp_path / 'out'), '--no-overlays']) == 0
    records = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert {(r['file_name'], r['image_id']) for r in records} == {('sub/a.png', 12),
                                                                  ('sub/c.png', 55)}
    assert {(r['category_name'], r['category_id']) for r in records} == {('bone', 0),
                                                                         ('nerve', 9)}
    truth = COCO(str(ann))
    scores = COCOeval(truth, truth.loadRes(str(tmp_path / 'out/predictions.json')), 'segm')
    scores.params.catIds = [0]
    scores.params.imgIds = [55]
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == pytest.approx(1)


def test_ids_of_a_file(tmp_path):
    ids = AnnotationIds(write_annotations(tmp_path / 'ann.json', {
        'x/a.png': 1, 'y/a.png': 2, 'b.png': 3}))
    assert [ids.image_id(name) for name in ('x/a.png', 'a.png', 'z/y/a.png', 'q/b.png', 'c.png')
            ] == [1, None, 2, 3, None]
    assert ids.category_ids(['bone', 'nerve']) == [0, 9]
    with pytest.raises(UserError, match="has no category 'cell', which the model knows"):
        ids.category_ids(['bone', 'cell'])
    with pytest.raises(UserError, match='lists none of the 1 images'):
        ids.select([tmp_path / 'other.png'], tmp_path)
    (tmp_path / 'no.json').write_text('{"images": []}')
    with pytest.raises(UserError, match='is not a COCO annotation file'):
        AnnotationIds(tmp_path / 'no.json')


def test_instances_in_a_program(raw_model, tmp_path):
    segmenter = Segmenter(raw_model)
    image = np.full((64, 64, 3), 100, np.uint8)
    cv2.imwrite(str(tmp_path / 'ü.png'), image)
    found = segmenter(tmp_path / 'ü.png')
    assert found.names == ['bone', 'nerve']
    assert (found.plot() == segmenter.draw(image, segmenter(image))).all()
    first = found.to_coco(image_id=4)[0]
    assert first['image_id'] == 4 and first['category_id'] == 2  # the file says no ids: 1, 2, ...
    assert first['bbox'] == [8, 8, 32, 32]
    assert mask_utils.decode(first['segmentation']).sum() == first['area'] == 24 * 32
