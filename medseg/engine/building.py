"""Models from configs, and what they want to know about an image, without data or weights."""
from __future__ import annotations

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn


def build_model(config: Config) -> nn.Module:
    """The model of a config with random weights, without downloading pretrained ones."""
    init_default_scope(config.get('default_scope', 'mmdet'))
    return MODELS.build(config.model).eval()


def data_sample(height: int, width: int) -> DetDataSample:
    """What two-stage and query-based detectors want to know about an image of that size."""
    shape = (height, width)
    return DetDataSample(metainfo=dict(
        img_id=0, img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape,
        scale_factor=(1.0, 1.0)))
