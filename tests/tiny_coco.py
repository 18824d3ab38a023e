"""A tiny COCO set of plain shapes, drawn on the spot."""
import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO

from medseg.metrics.instance_matches import complete_annotations

CLASSES = ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve')
COLOURS = ((60, 200, 230), (230, 230, 240), (40, 160, 200), (200, 200, 160))


def make_tiny_coco(root: Path, num_images: int = 2, size: int = 128, seed: int = 0) -> Path:
    """Write a set with the layout of ``configs/_base_/datasets/peld_instance.py``.

    Each image has three rectangles of different classes; train, val and test are the same images.

    Args:
        root (Path): Folder to make.
        num_images (int): Number of images.
        size (int): Their side in pixels.
        seed (int): Seed of the shapes.

    Returns:
        Path: ``root``.
    """
    rng = np.random.default_rng(seed)
    (root / 'images').mkdir(parents=True)
    (root / 'annotations').mkdir()
    images, annotations = [], []
    for i in range(num_images):
        img = np.full((size, size, 3), (40, 40, 120), np.uint8)
        for k in range(3):
            label = (i + k) % 4
            w, h = rng.integers(size // 5, size // 3, 2)
            x = int(rng.integers(2, size // 3 - 2)) + (k % 2) * size // 2
            y = int(rng.integers(2, size // 3 - 2)) + (k // 2) * size // 2
            x2, y2 = min(x + int(w), size - 1), min(y + int(h), size - 1)
            img[y:y2, x:x2] = COLOURS[label]
            annotations.append(dict(
                id=len(annotations) + 1, image_id=i + 1, category_id=label + 1, iscrowd=0,
                bbox=[x, y, x2 - x, y2 - y], area=(x2 - x) * (y2 - y),
                segmentation=[[x, y, x2, y, x2, y2, x, y2]]))
        name = f'p{i:03d}_f00.png'
        cv2.imwrite(str(root / 'images' / name), img)
        images.append(dict(id=i + 1, file_name=name, width=size, height=size))
    content = json.dumps(dict(
        images=images, annotations=annotations,
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]))
    for subset in ('train', 'val', 'test'):
        (root / 'annotations' / f'instances_{subset}.json').write_text(content)
    return root


def as_coco(content):
    """COCO content as an indexed ground truth."""
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    complete_annotations(coco, 'test', True)
    return coco
