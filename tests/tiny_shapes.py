"""A tiny set of discs and bars, drawn on the spot and written as the tools of the field do."""
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

NAMES = ('disc', 'bar')
SIZE = (96, 72)


def scene(seed: int) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """A picture of SIZE, BGR, and the class and ring (N, 2) of its two objects."""
    rng = np.random.default_rng(seed)
    image = np.full((*SIZE[::-1], 3), (30, 60, 30), np.uint8)
    image += rng.integers(0, 20, image.shape, dtype=np.uint8)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    centre, radius = rng.uniform((20, 20), (40, 50)), rng.uniform(9, 14)
    disc = centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    x, y = rng.uniform((55, 10), (62, 30))
    bar = np.array([[x, y], [x + 14, y], [x + 14, y + 34], [x, y + 34]])
    for ring, colour in ((disc, (60, 80, 230)), (bar, (230, 200, 60))):
        cv2.fillPoly(image, [np.round(ring).astype(np.int32)], colour)
    return image, [('disc', disc), ('bar', bar)]


def coco(names: list[str], ids: dict[str, int], first: int = 0, prefix: str = '') -> dict:
    """COCO content of images of that name, which are the scenes from ``first`` on."""
    content = dict(images=[], annotations=[],
                   categories=[dict(id=number, name=name) for name, number in ids.items()])
    for seed, name in enumerate(names, start=first):
        content['images'].append(dict(id=100 + seed, file_name=prefix + name, width=SIZE[0],
                                      height=SIZE[1]))
        for kind, ring in scene(seed)[1]:
            low, high = ring.min(0), ring.max(0)
            content['annotations'].append(dict(
                id=len(content['annotations']), image_id=100 + seed, category_id=ids[kind],
                segmentation=[ring.reshape(-1).tolist()], iscrowd=0,
                bbox=[*low.tolist(), *(high - low).tolist()],
                area=cv2.contourArea(ring.astype(np.float32))))
    return content


def write_images(folder: Path, names: list[str], first: int = 0) -> None:
    """The scenes from ``first`` on under these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, start=first):
        cv2.imwrite(str(folder / name), scene(seed)[0])


def write_json(path: Path, content: object) -> Path:
    """JSON, its folder being made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def roboflow(root: Path, images: int = 4) -> Path:
    """Roboflow's COCO export: a folder for each subset, ids from 0, a category without objects."""
    for first, subset in ((0, 'train'), (images, 'valid')):
        names = [f's{seed}.jpg' for seed in range(first, first + images)]
        write_images(root / subset, names, first)
        content = coco(names, dict(shapes=0, disc=1, bar=2), first)
        write_json(root / subset / '_annotations.coco.json', content)
    return root


def cvat(root: Path, images: int = 6) -> Path:
    """CVAT's COCO export of a task without subsets: one file, ids with gaps."""
    names = [f'p{seed // 2}_f{seed % 2}.png' for seed in range(images)]
    write_images(root / 'images/default', names)
    write_json(root / 'annotations/instances_default.json', coco(names, dict(bar=7, disc=3)))
    return root


def label_studio(root: Path, images: int = 6) -> Path:
    """Label Studio's: result.json, backslashes, ids from 0."""
    names = [f'{seed:08x}-x.png' for seed in range(images)]
    write_images(root / 'images', names)
    write_json(root / 'result.json', coco(names, dict(disc=0, bar=1), prefix='images\\'))
    return root


def yolo(root: Path, images: int = 4) -> Path:
    """Ultralytics': data.yaml with train and val, labels beside; returns the data.yaml."""
    for first, subset in ((0, 'train'), (images, 'val')):
        names = [f's{seed}.png' for seed in range(first, first + images)]
        write_images(root / 'images' / subset, names, first)
        (root / 'labels' / subset).mkdir(parents=True)
        for seed, name in enumerate(names, start=first):
            lines = [' '.join([str(NAMES.index(kind)),
                               *(f'{v:.6f}' for v in (ring / SIZE).reshape(-1))])
                     for kind, ring in scene(seed)[1]]
            (root / 'labels' / subset / name).with_suffix('.txt').write_text('\n'.join(lines))
    file = root / 'data.yaml'
    file.write_text('path: .\ntrain: images/train\nval: images/val\n'
                    f'names: [{", ".join(NAMES)}]\n')
    return file


def labelme(root: Path, images: int = 6) -> Path:
    """LabelMe's: a JSON file beside each image."""
    names = [f'p{seed // 2}_f{seed % 2}.png' for seed in range(images)]
    write_images(root, names)
    for seed, name in enumerate(names):
        shapes = [dict(label=kind, points=ring.tolist(), group_id=None, shape_type='polygon',
                       flags={}) for kind, ring in scene(seed)[1]]
        write_json((root / name).with_suffix('.json'), dict(
            version='5.5.0', flags={}, shapes=shapes, imagePath=name, imageData=None,
            imageWidth=SIZE[0], imageHeight=SIZE[1]))
    return root
