"""C2f: the cross-stage partial block of YOLOv8, with an exchangeable unit."""
import inspect

import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .defaults import ACT_CFG, NORM_CFG


def takes_argument(module_type: str | type, name: str) -> bool:
    """Whether a registered module's constructor, or a base class's it hands on to, names it."""
    module = MODELS.get(module_type) if isinstance(module_type, str) else module_type
    if module is None:
        raise KeyError(f'{module_type}: no such unit is registered')
    return any(name in inspect.signature(cls.__init__).parameters for cls in module.__mro__)


@MODELS.register_module()
class DarknetUnit(BaseModule):
    """Two 3x3 convolutions with an optional shortcut: the unit of YOLOv8's C2f.

    Args:
        channels (int): Channels of input and output.
        shortcut (bool): Add the input to the output.
        expansion (float): Channels between the two convolutions, as a share of ``channels``:
            1 in YOLOv8, 0.5 in YOLO11.
        norm_cfg, act_cfg (dict): Normalisation and activation of each convolution.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, shortcut: bool = True, expansion: float = 1.0,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        mid_channels = int(channels * expansion)
        cfg = dict(kernel_size=3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv1 = ConvModule(channels, mid_channels, **cfg)
        self.conv2 = ConvModule(mid_channels, channels, **cfg)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.conv1(x))
        return x + out if self.shortcut else out


@MODELS.register_module()
class C2f(BaseModule):
    """Split, transform in a chain, keep every intermediate, fuse.

    A 1x1 convolution to 2 * c channels, c = expansion * out_channels, is split into two halves.
    ``num_blocks`` units run in sequence, the first on the second half; both halves and all unit
    outputs, (2 + num_blocks) * c channels, go through a 1x1 convolution to ``out_channels``.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output; even.
        num_blocks (int): Number of units in the chain.
        shortcut (bool): Passed to units that have that choice (``DarknetUnit``): True in
            YOLOv8's backbone, False in its neck.
        unit (dict): Config of the registered unit, built with ``channels=c``.
        expansion (float): Channels of each half, as a share of ``out_channels``.
        norm_cfg, act_cfg (dict): Normalisation and activation of the two 1x1 convolutions.

    Shape: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    #: Whether a unit that takes ``shortcut`` gets it; others carry their own residuals.
    unit_takes_shortcut = True

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int = 1,
                 shortcut: bool = False, unit: dict = dict(type='DarknetUnit'),  # noqa: B006
                 expansion: float = 0.5, norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        if out_channels % 2:
            raise ValueError(f'C2f: out_channels must be even, got {out_channels}')
        self.mid_channels = int(out_channels * expansion)
        cfg = dict(kernel_size=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main_conv = ConvModule(in_channels, 2 * self.mid_channels, **cfg)
        self.final_conv = ConvModule((2 + num_blocks) * self.mid_channels, out_channels, **cfg)
        has_choice = self.unit_takes_shortcut and takes_argument(unit['type'], 'shortcut')
        extra = dict(shortcut=shortcut) if has_choice else {}
        self.blocks = nn.ModuleList(
            MODELS.build(dict(unit, channels=self.mid_channels, **extra))
            for _ in range(num_blocks))

    def forward(self, x: Tensor) -> Tensor:
        outs = list(self.main_conv(x).split(self.mid_channels, dim=1))
        for block in self.blocks:
            outs.append(block(outs[-1]))
        return self.final_conv(torch.cat(outs, dim=1))
