"""What an exported file says about itself: all that a runtime needs beside the weights.

An ONNX file carries it as JSON under the key ``medseg`` of its ``metadata_props``, an OpenVINO
model under ``medseg`` of its runtime info. Nothing here needs torch or mmdet to be installed.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medseg.errors import UserError

from . import metadata_check

KEY = 'medseg'
#: The key of release 0.1.
OLD_KEY = 'lmsfa'
VERSION = 1
#: Input pixels per prototype pixel of files that do not say it.
MASK_STRIDE = 4
#: Model outputs by kind of export.
OUTPUTS = {'raw': ('boxes', 'scores', 'coefficients', 'prototypes'),
           'end2end': ('dets', 'labels', 'masks'),
           'semantic': ('logits',)}


class MetadataError(UserError):
    """A file has no usable description; the message names the file and the remedy."""


def _resize(pipeline: Sequence[Mapping]) -> Mapping:
    """The one ``Resize`` of a test pipeline."""
    found = [step for step in pipeline if step['type'].split('.')[-1] == 'Resize']
    if len(found) != 1 or not found[0].get('scale'):
        raise MetadataError('the test pipeline needs one Resize with a scale, found '
                            f'{len(found)}; set test_dataloader.dataset.pipeline')
    return found[0]


def _thresholds(test_cfg: Mapping) -> dict[str, Any]:
    """Post-processing settings of one-stage, two-stage and YOLACT test configs in one form."""
    cfg = test_cfg.get('rcnn', test_cfg)
    nms = cfg.get('nms') or {}
    return {
        'score_thr': float(cfg.get('score_thr', 0.0)),
        'nms_iou': float(nms.get('iou_threshold', cfg.get('iou_thr', 1.0))),
        'nms_pre': int(cfg.get('nms_pre', -1)),
        'nms_type': 'fast_nms' if 'iou_thr' in cfg else nms.get('type', 'nms'),
        'max_per_img': int(cfg.get('max_per_img', 100)),
        'mask_thr': float(cfg.get('mask_thr', cfg.get('mask_thr_binary', 0.5))),
    }


def _mask_stride(model: Mapping) -> int:
    """Input pixels per prototype pixel: prototypes are twice as fine as the finest map."""
    strides = (model.get('mask_head') or {}).get('strides')
    return int(strides[0]) // 2 if strides else MASK_STRIDE


def describe(kind: str, model: Mapping, pipeline: Sequence[Mapping], classes: Sequence[str],
             colors: Sequence[Sequence[int]], input_size: Sequence[int] | None,
             prototype_masks: bool = True, category_ids: Sequence[int] | None = None,
             prototypes_last: bool = False) -> dict[str, Any]:
    """The description of an export.

    Args:
        kind (str): ``raw``, ``end2end`` or ``semantic``.
        model (Mapping): ``model`` of the config.
        pipeline (Sequence[Mapping]): Its test pipeline.
        classes (Sequence[str]): Names in the order of the labels.
        colors (Sequence[Sequence[int]]): RGB, 0 to 255, one a class.
        input_size (Sequence[int], optional): Height and width of a static input.
        prototype_masks (bool): Masks are this project's: their logits are resampled to the image
            and end where the boxes do. Other models' masks are ready probabilities.
        category_ids (Sequence[int], optional): Of the classes in the annotation file that the
            model was trained on; 1, 2, ... by default.
        prototypes_last (bool): Raw prototypes come as (B, h, w, P), not (B, P, h, w).

    Returns:
        dict: JSON-ready. ``mean``, ``std``, ``to_rgb``: (pixel - mean) / std after the swap to
        RGB; ``scale`` (width, height), ``keep_ratio``: the resizing before; ``size_divisor``,
        ``pad_value``: padding behind it, at the bottom and right, with an already normalised
        value; thresholds as in MMDetection's test configs. ``mask_resample``: what is resampled
        to the image before ``mask_thr``, ``crop_masks``: whether to cut at the boxes then;
        ``mask_stride``: input pixels per prototype pixel. ``prototypes_last`` only where it holds.

    Raises:
        MetadataError: Something is missing in the config.
    """
    preprocessor, resize = model.get('data_preprocessor') or {}, _resize(pipeline)
    scale = resize['scale']
    scale = [scale, scale] if isinstance(scale, (int, float)) else list(scale)
    return {
        'version': VERSION, 'kind': kind, 'classes': list(classes),
        'colors': [[int(v) for v in color] for color in colors],
        'category_ids': [int(v) for v in category_ids or range(1, len(classes) + 1)],
        'mean': [float(v) for v in preprocessor.get('mean', (0, 0, 0))],
        'std': [float(v) for v in preprocessor.get('std', (1, 1, 1))],
        'to_rgb': bool(preprocessor.get('bgr_to_rgb', False)),
        'input_size': [int(v) for v in input_size] if input_size else None,
        'size_divisor': int(preprocessor.get('pad_size_divisor', 1)),
        'keep_ratio': bool(resize.get('keep_ratio', False)),
        'pad_value': float(preprocessor.get('pad_value', 0)),
        'scale': [int(v) for v in scale],
        'mask_resample': 'logits' if prototype_masks else 'probabilities',
        'crop_masks': bool(prototype_masks),
        'mask_stride': _mask_stride(model),
        **({'prototypes_last': True} if prototypes_last else {}),
        **_thresholds(model.get('test_cfg') or {}),
    }


def parse(text: str | None, file: str) -> dict[str, Any]:
    """Read the JSON of a file.

    Args:
        text (str, optional): The value under :data:`KEY`.
        file (str): Name, for messages.

    Raises:
        MetadataError: It is missing, of a newer version, or says what cannot be.
    """
    remedy = 'export the model again with tools/deploy.py'
    if not text:
        raise MetadataError(f'{file}: has no "{KEY}" metadata; {remedy}')
    try:
        found = metadata_check.read(text)
        version, kind = found['version'], found['kind']
    except (ValueError, KeyError) as error:
        raise MetadataError(f'{file}: its "{KEY}" metadata is broken ({error}); {remedy}'
                            ) from error
    if version != VERSION:
        raise MetadataError(f'{file}: metadata version {version}, this release reads {VERSION}; '
                            f'{remedy}, or update the project')
    if not isinstance(kind, str) or kind not in OUTPUTS:
        raise MetadataError(f'{file}: metadata kind {kind!r} is none of {sorted(OUTPUTS)}; '
                            f'{remedy}')
    wrong = metadata_check.problem(found)
    if wrong is not None:
        raise MetadataError(f'{file}: its "{KEY}" metadata is broken: {wrong}; {remedy}')
    return found


def padded_size(height: int, width: int, metadata: Mapping[str, Any]) -> tuple[int, int]:
    """Input size, (height, width), for a resized image of that size.

    Raises:
        MetadataError: A static input is smaller than the image.
    """
    if metadata['input_size'] is not None:
        static = tuple(metadata['input_size'])
        if height > static[0] or width > static[1]:
            raise MetadataError(f'an image resized to {height} x {width} does not fit the static '
                                f'input of {static[0]} x {static[1]}')
        return static
    divisor = metadata['size_divisor']
    return math.ceil(height / divisor) * divisor, math.ceil(width / divisor) * divisor


def check_input(height: int, width: int, metadata: Mapping[str, Any], file: str) -> None:
    """Refuse an input that the network of a file cannot take.

    Raises:
        MetadataError: Its sides are no multiples of the largest stride, which would fail somewhere
            inside the network, or a static input has another size.
    """
    static, divisor = metadata['input_size'], metadata['size_divisor']
    if static is not None and (height, width) != tuple(static):
        raise MetadataError(f'{file}: takes inputs of {static[0]} x {static[1]} pixels, not '
                            f'{height} x {width}; resize and pad to that')
    if height % divisor or width % divisor:
        down, right = -height % divisor, -width % divisor
        raise MetadataError(
            f'{file}: takes inputs whose sides are multiples of {divisor}, not {height} x {width}; '
            f'pad {down} rows at the bottom and {right} columns at the right with '
            f'{metadata["pad_value"]:.4g} (medseg.runtime.Segmenter does)')
