"""A small test set and predictions of it."""
import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import make_tiny_coco


@pytest.fixture(scope='module')
def predicted(tmp_path_factory):
    """A set of six images and predictions of mixed quality for it."""
    root = make_tiny_coco(tmp_path_factory.mktemp('set') / 'data', num_images=6, size=96)
    content = json.loads((root / 'annotations/instances_test.json').read_text())
    rng = np.random.default_rng(1)
    records = []
    for ann in content['annotations']:
        for shift in (int(rng.integers(0, 4)), int(rng.integers(8, 20))):
            x, y, w, h = ann['bbox']
            mask = np.zeros((96, 96), np.uint8, order='F')
            mask[y:y + h, x + shift:x + shift + w] = 1
            rle = mask_utils.encode(mask)
            rle['counts'] = rle['counts'].decode()
            records.append(dict(
                image_id=ann['image_id'], category_id=ann['category_id'], segmentation=rle,
                bbox=[x + shift, y, w, h], score=float(rng.uniform(0.2, 1) - shift / 40)))
    return content, records
