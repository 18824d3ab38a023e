"""What is fed to the models: frames to predict on, batches to train on."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.structures import InstanceData

from medseg.configs import classes, pipelines, prediction_pipeline, test_dataset
from medseg.runtime.files import IMAGES
from medseg.runtime.images import read_image

FRAME = (720, 1080)
INSTANCES = 8


def inference_pipeline(config: Config) -> list[dict]:
    """The test pipeline from an array in memory on, without reading files or annotations."""
    return [dict(type='mmdet.LoadImageFromNDArray'), *prediction_pipeline(config)[1:]]


def frames(config: Config, count: int) -> tuple[list[np.ndarray], str]:
    """Images for timing: the first of the test set, else drawn ones.

    Args:
        config (Config): The model's config.
        count (int): How many at most.

    Returns:
        tuple[list[np.ndarray], str]: BGR, (H, W, 3) uint8, and where they are from, or why they
        are drawn.

    Raises:
        ImageError: One of the images cannot be read.
    """
    leaf = test_dataset(config)
    folder = Path(leaf.get('data_root') or '.') / (leaf.get('data_prefix') or {}).get('img', '')
    found = sorted(p for p in folder.rglob('*') if p.suffix.lower() in IMAGES) \
        if folder.is_dir() else []
    images = [read_image(path) for path in found[:count]]
    if images:
        return images, f'{len(images)} images of the test set'
    rng = np.random.default_rng(0)
    why = f'no image in {folder}' if folder.is_dir() else f'no folder {folder}'
    return ([_drawn(rng) for _ in range(min(count, 4))],
            f'drawn, {FRAME[1]}x{FRAME[0]}, as there is {why}')


def _drawn(rng: np.random.Generator) -> np.ndarray:
    """A frame of the paper's size with some blobs."""
    image = cv2.resize(rng.integers(0, 255, (18, 27, 3), dtype=np.uint8), FRAME[::-1],
                       interpolation=cv2.INTER_CUBIC)
    for _ in range(INSTANCES):
        centre = tuple(int(v) for v in rng.integers(60, FRAME[0] - 60, 2))
        axes = tuple(int(v) for v in rng.integers(30, 150, 2))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        cv2.ellipse(image, centre, axes, int(rng.integers(180)), 0, 360, colour, -1)
    return image


def _uses_polygons(config: Config) -> bool:
    """Whether the training pipeline keeps polygons, or draws them into bitmaps."""
    for steps in pipelines(config, 'train_dataloader'):
        for step in steps:
            kind = step['type'].split('.')[-1]
            if kind == 'LoadPolygonAnnotations':
                return True
            if kind == 'LoadAnnotations':
                return not step.get('poly2mask', True)
    return False


def training_batch(config: Config, size: int, batch: int) -> dict:
    """A batch as the data loader gives it: noise with eight ellipses an image.

    Args:
        config (Config): The model's config; it says how many classes and which masks.
        size (int): Side of the images in pixels.
        batch (int): Number of images.

    Returns:
        dict: ``inputs``, uint8 (3, size, size) each, and ``data_samples``.
    """
    rng, polygons = np.random.default_rng(0), _uses_polygons(config)
    number = len(classes(config))
    samples = []
    for index in range(batch):
        rings, boxes = [], []
        for _ in range(INSTANCES):
            radius = rng.uniform(size / 16, size / 5, 2)
            centre = rng.uniform(radius, size - radius)
            angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            ring = centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            rings.append([ring.reshape(-1).astype(np.float32)])
            boxes.append([*(centre - radius), *(centre + radius)])
        masks = PolygonMasks(rings, size, size)
        instances = InstanceData(
            bboxes=torch.tensor(np.array(boxes), dtype=torch.float32),
            labels=torch.tensor(rng.integers(0, number, INSTANCES)),
            masks=masks if polygons else BitmapMasks(masks.to_ndarray(), size, size))
        sample = DetDataSample(metainfo=dict(
            img_id=index, img_shape=(size, size), ori_shape=(size, size),
            scale_factor=(1.0, 1.0), batch_input_shape=(size, size), pad_shape=(size, size)))
        sample.gt_instances = instances
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        samples.append(sample)
    inputs = [torch.from_numpy(rng.integers(0, 255, (3, size, size), dtype=np.uint8))
              for _ in range(batch)]
    return dict(inputs=inputs, data_samples=samples)
