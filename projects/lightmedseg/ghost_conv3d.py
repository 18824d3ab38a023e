"""GhostConv3D: half of the maps by a convolution, the other half by a cheap one from those."""
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

#: Groups of every GroupNorm of the network, as the public re-implementation has it.
NUM_GROUPS = 4


@MODELS.register_module()
class GhostConv3D(BaseModule):
    """Ghost convolution with ratio 2.

    ``p = GELU(conv3(x))`` with ``out_channels / 2`` maps, ``g = GELU(depthwise3(p))``, and
    ``y = GN([p, g])``. The paper states the module; the norm after the concatenation and the
    activations before it are our reading.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output; a multiple of 4.
        stride (int): Of the first convolution.

    Shape: (B, in_channels, D, H, W) -> (B, out_channels, D', H', W'), D' = ceil(D / stride).

    Raises:
        ValueError: ``out_channels`` is no multiple of 4.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        if out_channels % NUM_GROUPS:
            raise ValueError(f'GhostConv3D: out_channels must be a multiple of {NUM_GROUPS}, '
                             f'got {out_channels}')
        half = out_channels // 2
        self.primary = nn.Conv3d(in_channels, half, 3, stride, 1, bias=False)
        self.ghost = nn.Conv3d(half, half, 3, 1, 1, groups=half, bias=False)
        self.act = nn.GELU()
        self.norm = nn.GroupNorm(NUM_GROUPS, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.act(self.primary(x))
        return self.norm(torch.cat([primary, self.act(self.ghost(primary))], dim=1))


@MODELS.register_module()
class PlainConv3D(BaseModule):
    """The ablation's stand-in for :class:`GhostConv3D`: one 3x3x3 convolution, GELU, GN.

    Args, shape: Those of :class:`GhostConv3D`.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.conv = nn.Conv3d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.act = nn.GELU()
        self.norm = nn.GroupNorm(NUM_GROUPS, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.act(self.conv(x)))
