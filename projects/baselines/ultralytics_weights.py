"""Weights of Ultralytics' YOLOv8-seg and YOLO11-seg (n, s) under this project's names.

Ultralytics is no dependency and is not imported; :mod:`medseg.engine.whole_model` reads its files.
"""
from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

import projects.baselines  # noqa: F401
from medseg.engine.checkpoint_file import CheckpointError, check_finite
from medseg.engine.whole_model import Record, attribute, modules, read_whole_model, state_dict
from medseg.models.c2f import DarknetUnit
from medseg.models.sppf import SPPF

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
#: Layers of the two networks by Ultralytics' numbers.
LAYERS = {
    'yolov8': dict(top_down4=12, top_down3=15, down3=16, bottom_up4=18, down4=19, bottom_up5=21,
                   head=22),
    'yolo11': dict(top_down4=13, top_down3=16, down3=17, bottom_up4=19, down4=20, bottom_up5=22,
                   head=23),
}
WIDTHS = {16: 'n', 32: 's'}
MODELS_KNOWN = tuple(f'{family}{size}-seg' for family in LAYERS for size in WIDTHS.values())
#: Names inside the blocks, ours first. The order counts: C3k has a third convolution.
_RULES = tuple((re.compile(ours), theirs) for ours, theirs in (
    (r'(\.blocks\.\d+)\.short_conv\b', r'\1.cv2'),
    (r'(\.blocks\.\d+)\.final_conv\b', r'\1.cv3'),
    (r'\.(main_conv|conv1)\b', '.cv1'),
    (r'\.(final_conv|conv2)\b', '.cv2'),
    (r'\.conv3\b', '.cv3'),
    (r'\.blocks\b', '.m'),
    (r'\.attention\b', '.attn'),
    (r'\.position\b', '.pe'),
    (r'\.depthwise_conv\b', '.0'),
    (r'\.pointwise_conv\b', '.1'),
    (r'\.box_branches\b', '.cv2'),
    (r'\.cls_branches\b', '.cv3'),
    (r'\.coeff_branches\b', '.cv4'),
    (r'\.proto_net\b', '.proto')))
_NO_SEGMENTATION = ('is no YOLOv8-seg or YOLO11-seg of size n or s ({}); those are what can be '
                    'converted')


@dataclass
class UltralyticsWeights:
    """What a file of Ultralytics holds.

    Attributes:
        path (str): The file.
        tensors (dict): Tensors by Ultralytics' names (``model.0.conv.weight``), floats in single
            precision.
        classes (tuple[str] | None): Class names in the order of the labels.
        modules (dict): Module records by name; empty for a plain state dict.
    """

    path: str
    tensors: dict[str, Tensor]
    classes: tuple[str, ...] | None = None
    modules: dict[str, Record] = field(default_factory=dict)

    @property
    def head(self) -> int:
        """Number of the layer that makes the predictions."""
        return max((int(key.split('.')[1]) for key in self.tensors), default=-1)

    @property
    def num_classes(self) -> int:
        """Number of classes that the class branch predicts."""
        return len(self.tensors[f'model.{self.head}.cv3.0.2.weight'])

    @property
    def linear_sppf(self) -> bool | None:
        """Whether SPPF's first convolution has no activation; None if the file does not tell."""
        found = self.modules.get('model.9.cv1.act')
        return None if found is None else _kind(found) == 'Identity'


def _kind(module: Record) -> str:
    return module.origin.rsplit('.', 1)[-1]


def read_weights(path: str | Path) -> UltralyticsWeights:
    """Read a checkpoint of Ultralytics, a pickled model, or a plain state dict.

    Args:
        path (str | Path): ``.pt`` of Ultralytics, or a file of ``torch.save(model.state_dict())``.
            Of a training checkpoint the averaged weights are taken, as Ultralytics does.

    Raises:
        CheckpointError: The file cannot be read or holds no weights.
    """
    root = read_whole_model(path)
    if isinstance(root, dict):
        root = next((root[key] for key in ('ema', 'model', 'state_dict')
                     if isinstance(root.get(key), (Record, dict))), root)
    found, names = {}, None
    if isinstance(root, Record):
        tensors, found = state_dict(root), dict(modules(root))
        names = attribute(root, 'names')
    else:
        tensors = {key: value for key, value in root.items() if isinstance(value, Tensor)
                   and isinstance(key, str)} if isinstance(root, dict) else {}
    if not tensors:
        raise CheckpointError(f'{path}: holds no weights: neither a model nor a state dict')
    check_finite(tensors, Path(path))
    # `model.0.` whatever wraps the network: DataParallel, or the YOLO object itself.
    tensors = {re.sub(r'^(?:module\.|model\.)*(?=\d+\.)', 'model.', key):
               value.float() if value.is_floating_point() else value
               for key, value in tensors.items()}
    odd = next((key for key in tensors if not re.match(r'model\.\d+\.', key)), None)
    if odd is not None:
        raise CheckpointError(f'{path}: ' + _NO_SEGMENTATION.format(f'it has a tensor {odd}'))
    return UltralyticsWeights(str(path), tensors, _class_names(names), found)


def _class_names(names: object) -> tuple[str, ...] | None:
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=lambda key: (str(type(key)), key))]
    if isinstance(names, (list, tuple)) and names and all(isinstance(n, str) for n in names):
        return tuple(names)
    return None


def identify(weights: UltralyticsWeights) -> str:
    """Which of :data:`MODELS_KNOWN` the tensors are.

    Raises:
        CheckpointError: None of them; or fused, a detection model, end-to-end, another size.
    """
    tensors, head = weights.tensors, f'model.{weights.head}'

    def refuse(why: str) -> CheckpointError:
        return CheckpointError(f'{weights.path}: ' + _NO_SEGMENTATION.format(why))

    if 'model.0.conv.bias' in tensors and 'model.0.bn.weight' not in tensors:
        raise CheckpointError(
            f'{weights.path}: is fused: its BatchNorms are merged into the convolutions and cannot '
            'be told apart again. Convert the file that training wrote (best.pt), or export the '
            'state dict before fuse() or a prediction')
    if any('.one2one_' in key for key in tensors):
        raise refuse('it predicts end to end, as YOLOv10 and YOLO26 do')
    if f'{head}.cv3.0.2.weight' not in tensors:
        raise refuse('its last layer is no detection head')
    if f'{head}.cv4.0.2.weight' not in tensors or f'{head}.proto.cv1.conv.weight' not in tensors:
        raise refuse('it has no masks: a detection model?')
    depthwise = f'{head}.cv3.0.0.0.conv.weight' in tensors
    family = 'yolo11' if depthwise else 'yolov8'
    width = len(tensors.get('model.0.conv.weight', ()))
    if weights.head != LAYERS[family]['head']:
        raise refuse(f'it has {weights.head + 1} layers')
    if width not in WIDTHS:
        raise refuse(f'its first convolution has {width} channels, not {list(WIDTHS)}')
    return f'{family}{WIDTHS[width]}-seg'


def family_of(name: str) -> str:
    """``yolov8`` or ``yolo11``, from one of :data:`MODELS_KNOWN`."""
    return name.removesuffix('-seg')[:-1]


def source_name(name: str, family: str) -> str:
    """Ultralytics' name of one of our modules or tensors.

    Args:
        name (str): Such as ``neck.down3.conv.weight``.
        family (str): ``yolov8`` or ``yolo11``.
    """
    layers = LAYERS[family]
    part, rest = name.split('.', 1)
    if part == 'mask_head':
        name = f'.{layers["head"]}.{rest}'
    elif part == 'neck':
        step, rest = rest.split('.', 1) if '.' in rest else (rest, '')
        name = f'.{layers[step]}.{rest}'
    elif stage := re.match(r'stages\.(\d)\.([01])(.*)', rest):
        name = f'.{2 * int(stage[1]) + int(stage[2]) + 1}{stage[3]}'
    else:
        number = dict(stem=0, sppf=9, top_block=10)[rest.split('.')[0]]
        name = f'.{number}{rest[len(rest.split(".")[0]):]}'
    for ours, theirs in _RULES:
        name = ours.sub(theirs, name)
    return f'model{name}'.rstrip('.')


def build_model(name: str, num_classes: int, linear_sppf: bool = False) -> nn.Module:
    """Our model of one of :data:`MODELS_KNOWN`.

    Args:
        name (str): Such as ``yolo11n-seg``.
        num_classes (int): Number of classes.
        linear_sppf (bool): No activation after the first convolution of SPPF.
    """
    init_default_scope('mmdet')
    # The whole config: it imports the parts that its model names.
    config = Config.fromfile(CONFIGS / family_of(name) / f'{name}_1xb8-300e_peld.py')
    config.model.mask_head.num_classes = num_classes
    config.model.backbone.sppf_linear_conv1 = linear_sppf
    return MODELS.build(config.model)


def convert(weights: UltralyticsWeights, model: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """State dict of ``model`` from Ultralytics' weights.

    Args:
        weights (UltralyticsWeights): The file's content.
        model (nn.Module): Our model of the same network, with any number of classes.

    Returns:
        tuple: The state dict, and the names of our tensors that it leaves out: those of the class
        branch whose shape follows from a number of classes other than the file's.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape, or the file's model
            computes something else than ours.
    """
    family = family_of(identify(weights))
    _check_graph(weights, model, family)
    source = dict(weights.tensors)
    other_classes = model.mask_head.num_classes != weights.num_classes
    state, left_out, missing, wrong = {}, [], [], []
    resized = set()
    for key, ours in model.state_dict().items():
        if key.endswith('sppf.linear_conv1'):
            state[key] = ours
            continue
        theirs = source_name(key, family)
        value = source.pop(theirs, None)
        module = key.rsplit('.', 1)[0]
        if value is None:
            missing.append(theirs)
        elif other_classes and key.startswith('mask_head.cls_branches.') and (
                module in resized or value.shape != ours.shape):
            resized.add(module)
            left_out.append(key)
        elif value.shape != ours.shape:
            wrong.append(f'{theirs} {tuple(value.shape)} instead of {tuple(ours.shape)}')
        else:
            state[key] = value.to(ours.dtype)
    # The fixed 0, 1, 2, ... that turns a distribution into its mean: `bins` of our head.
    bins = source.pop(f'model.{weights.head}.dfl.conv.weight', None)
    if bins is not None and not torch.equal(bins.flatten(), model.mask_head.bins):
        wrong.append(f'model.{weights.head}.dfl.conv.weight, whose values are not 0, 1, 2, ...')
    for what, names in (('missing', missing), ('left over', list(source)), ('unfitting', wrong)):
        if names:
            raise CheckpointError(
                f'{weights.path}: {len(names)} tensors are {what} for this model: '
                + ', '.join(names[:5]) + (', ...' if len(names) > 5 else ''))
    return state, left_out


def _check_graph(weights: UltralyticsWeights, model: nn.Module, family: str) -> None:
    """Compare what weights do not show: activations, shortcuts, constants."""
    modules = weights.modules

    def check(name: str, what: str, theirs: object, ours: object) -> None:
        same = math.isclose(theirs, ours) if isinstance(ours, float) and isinstance(
            theirs, (int, float)) else theirs == ours
        if not same:
            raise CheckpointError(f'{weights.path}: {name} has {what} {theirs}, the model to be '
                                  f'converted to {ours}; it is a modified network')

    for name, module in model.named_modules() if modules else ():
        if not isinstance(module, (ConvModule, DarknetUnit, SPPF)):
            continue
        theirs = source_name(name, family)
        if theirs not in modules:
            raise CheckpointError(f'{weights.path}: has no module {theirs}; it is a modified '
                                  'network')
        if isinstance(module, ConvModule):
            act = modules.get(f'{theirs}.act')
            check(theirs, 'activation', act and _kind(act),
                  type(module.activate).__name__ if module.with_activation else 'Identity')
            norm = modules.get(f'{theirs}.bn')
            check(f'{theirs}.bn', 'eps', norm and attribute(norm, 'eps'), module.norm.eps)
        elif isinstance(module, DarknetUnit):
            check(theirs, 'shortcut', bool(attribute(modules[theirs], 'add')), module.shortcut)
        else:
            check(theirs, 'poolings', attribute(modules[theirs], 'n', 3), 3)
            check(theirs, 'shortcut', bool(attribute(modules[theirs], 'add', False)), False)
            pool = modules.get(f'{theirs}.m')
            check(f'{theirs}.m', 'kernel size', pool and attribute(pool, 'kernel_size'),
                  module.pool.kernel_size)
