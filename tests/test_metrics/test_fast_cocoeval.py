"""``FastCOCOeval`` against pycocotools itself, and the RLE encoder against pycocotools' encoder."""
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from medseg.metrics.fast_cocoeval import FastCOCOeval, results_to_coco
from medseg.metrics.rle import encode_masks


def random_set(seed, classes=3, images=12, size=260):
    """Rectangles of all COCO sizes, some crowds, tied scores; returns ground truth and results."""
    rng = np.random.default_rng(seed)
    annotations, records = [], []

    def instance(x, y, w, h):
        mask = np.zeros((size, size), dtype=np.uint8)
        mask[max(y, 0):y + h, max(x, 0):x + w] = 1
        rle = mask_utils.encode(np.asfortranarray(mask))
        return dict(segmentation=rle, bbox=mask_utils.toBbox(rle).tolist())

    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 9)):
            x, y, w, h = (*rng.integers(0, 150, 2), *rng.integers(5, 110, 2))
            category = int(rng.integers(1, classes + 1))
            annotations.append(dict(
                id=len(annotations) + 1, image_id=image, category_id=category,
                iscrowd=int(rng.random() < 0.15), area=int(w * h), **instance(x, y, w, h)))
            for _ in range(rng.integers(0, 4)):
                dx, dy, dw, dh = rng.integers(-6, 7, 4)
                records.append(dict(
                    image_id=image, category_id=category, score=round(float(rng.random()), 2),
                    **instance(x + dx, y + dy, max(w + dw, 3), max(h + dh, 3))))
    gt = COCO()
    gt.dataset = dict(
        images=[dict(id=i + 1, width=size, height=size) for i in range(images)],
        categories=[dict(id=c + 1, name=f'class {c}') for c in range(classes)],
        annotations=annotations)
    gt.createIndex()
    return gt, records


@pytest.mark.parametrize('iou_type', ['bbox', 'segm'])
@pytest.mark.parametrize('seed', range(4))
def test_equals_pycocotools(seed, iou_type):
    gt, records = random_set(seed)
    if iou_type == 'segm':
        records = [{k: v for k, v in r.items() if k != 'bbox'} for r in records]
    reference = COCOeval(gt, gt.loadRes([dict(r) for r in records]), iou_type)
    ours = FastCOCOeval(gt, results_to_coco(gt, records, iou_type), iou_type)
    for evaluator in (reference, ours):
        evaluator.params.maxDets = [1, 2, 100]
        evaluator.evaluate()
        evaluator.accumulate()
    assert (reference.eval['precision'][..., 0, 2] > 0).any()
    for table in ('precision', 'recall'):
        np.testing.assert_allclose(ours.eval[table], reference.eval[table], rtol=0, atol=1e-12)


def test_unknown_image_is_named():
    gt, records = random_set(0)
    records[3]['image_id'] = 999
    with pytest.raises(ValueError, match='prediction 3: image id 999'):
        results_to_coco(gt, records, 'bbox')


def test_encode_masks_equals_pycocotools():
    rng = np.random.default_rng(0)
    masks = rng.random((60, 13, 17)) < rng.random((60, 1, 1))
    masks[0], masks[1], masks[2:6] = False, True, False
    masks[2, 0, 0] = masks[3, -1, -1] = masks[4, 3:5] = masks[5, :, 4] = True
    expected = mask_utils.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
    for ours, theirs in zip(encode_masks(masks), expected, strict=True):
        assert ours == dict(size=[13, 17], counts=theirs['counts'].decode())


def test_encode_masks_wants_a_stack():
    assert encode_masks(np.zeros((0, 5, 5), dtype=bool)) == []
    with pytest.raises(ValueError, match=r'\(5, 5\)'):
        encode_masks(np.zeros((5, 5), dtype=bool))
