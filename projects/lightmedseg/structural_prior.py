"""Local structural prior: where the volume has texture, and a mixing of features by place."""
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .ghost_conv3d import NUM_GROUPS


class TextureMap(BaseModule):
    """T = sigmoid(conv1(|SiLU(GN(depthwise5(F))) - F|)): high where F departs from a smooth map.

    Args:
        channels (int): Channels of F.

    Shape: (B, channels, D, H, W) -> (B, 1, D, H, W), values in [0, 1].
    """

    def __init__(self, channels: int, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.smooth = nn.Conv3d(channels, channels, 5, 1, 2, groups=channels)
        self.norm = nn.GroupNorm(NUM_GROUPS, channels)
        self.act = nn.SiLU()
        self.project = nn.Conv3d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        smooth = self.act(self.norm(self.smooth(x)))
        return self.project((smooth - x).abs()).sigmoid()


class SpatialGate(BaseModule):
    """Two weights per voxel, alpha1 + alpha2 = 1, from a voxel's neighbourhood.

    conv 3x3x3 by groups to twice the channels, GN, SiLU, conv 1 to one map, sigmoid, conv 1 to
    two maps, softmax.

    Args:
        channels (int): Channels of the input.
        kernel_size (int): Of the convolution to one map: 1, or 3 (configuration B).

    Shape: (B, channels, D, H, W) -> (B, 2, D, H, W), values in [0, 1], summing to 1 over the
    channels.
    """

    def __init__(self, channels: int, kernel_size: int = 1, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.expand = nn.Conv3d(channels, 2 * channels, 3, 1, 1, groups=channels)
        self.norm = nn.GroupNorm(NUM_GROUPS, 2 * channels)
        self.act = nn.SiLU()
        self.squeeze = nn.Conv3d(2 * channels, 1, kernel_size, padding=kernel_size // 2)
        self.split = nn.Conv3d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.squeeze(self.act(self.norm(self.expand(x)))).sigmoid()
        return self.split(gate).softmax(dim=1)


@MODELS.register_module()
class LocalStructuralPrior(BaseModule):
    """Texture map T and adaptively mixed features F' = alpha1 A1(F) + alpha2 A2(F).

    A1 and A2 are 1x1x1 convolutions. The paper states a texture routing map and adaptive mixing
    before the encoder; their inside is our reading.

    Args:
        channels (int): Channels of the stem's map F.
        use_texture (bool): False fixes T at 0.5, the ablation without texture routing.
        gate_kernel (int): See :class:`SpatialGate`.

    Shape: (B, channels, D, H, W) -> T (B, 1, D, H, W) in [0, 1], F' (B, channels, D, H, W).
    """

    def __init__(self, channels: int, use_texture: bool = True, gate_kernel: int = 1,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.texture = TextureMap(channels) if use_texture else None
        self.gate = SpatialGate(channels, gate_kernel)
        self.mix1 = nn.Conv3d(channels, channels, 1)
        self.mix2 = nn.Conv3d(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.texture is None:
            texture = torch.full_like(x[:, :1], 0.5)
        else:
            texture = self.texture(x)
        # Kept as (B, 1, ...): without its channel axis alpha would broadcast over the batch.
        alpha = self.gate(x)
        return texture, alpha[:, :1] * self.mix1(x) + alpha[:, 1:] * self.mix2(x)
