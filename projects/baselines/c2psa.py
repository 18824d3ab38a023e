"""C2PSA: position-sensitive self-attention on the coarsest map (YOLOv10 and YOLO11)."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import ACT_CFG, NORM_CFG


class PositionSensitiveAttention(BaseModule):
    """Multi-head self-attention over all pixels; a depthwise 3x3 of the values tells positions.

    Cost grows with the square of H * W, which is why it runs at stride 32 only.

    Args:
        channels (int): Channels of input and output; a multiple of ``num_heads``.
        num_heads (int): Number of heads.
        key_ratio (float): Channels of a head's keys and queries, as a share of its values'.
        norm_cfg (dict): Normalisation; there is no activation inside.

    Raises:
        ValueError: ``channels`` is no multiple of ``num_heads``.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, num_heads: int, key_ratio: float = 0.5,
                 norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if channels % num_heads:
            raise ValueError(f'PositionSensitiveAttention: channels ({channels}) must be a '
                             f'multiple of num_heads ({num_heads})')
        self.num_heads = num_heads
        self.head_channels = channels // num_heads
        self.key_channels = int(self.head_channels * key_ratio)
        cfg = dict(norm_cfg=norm_cfg, act_cfg=None)
        self.qkv = ConvModule(channels, channels + 2 * num_heads * self.key_channels, 1, **cfg)
        self.proj = ConvModule(channels, channels, 1, **cfg)
        self.position = ConvModule(channels, channels, 3, padding=1, groups=channels, **cfg)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        # Each head's queries, keys and values lie side by side.
        maps = self.qkv(x).reshape(batch, self.num_heads, -1, height * width)
        query, key, value = maps.split(
            [self.key_channels, self.key_channels, self.head_channels], dim=2)
        query = query * self.key_channels ** -0.5
        weights = (query.transpose(2, 3) @ key).softmax(-1)
        out = (value @ weights.transpose(2, 3)).reshape(batch, channels, height, width)
        return self.proj(out + self.position(value.reshape(batch, channels, height, width)))


class PSABlock(BaseModule):
    """Attention, then a two-layer 1x1 feed-forward part, each with a residual.

    Args:
        channels (int): Channels of input and output; twice as many in the feed-forward part.
        num_heads (int): Heads of the attention.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, num_heads: int, norm_cfg: dict = NORM_CFG,
                 act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.attention = PositionSensitiveAttention(channels, num_heads, norm_cfg=norm_cfg)
        self.ffn = nn.Sequential(
            ConvModule(channels, 2 * channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvModule(2 * channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.ffn(x)


@MODELS.register_module()
class C2PSA(BaseModule):
    """Split in two halves, attend on the second, fuse both.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        num_blocks (int): Number of :class:`PSABlock` in the chain.
        head_channels (int): Channels a head: half the input's channels divided by this is the
            number of heads, at least one.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, in_channels, H, W) -> (B, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int = 1,
                 head_channels: int = 64, norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.mid_channels = in_channels // 2
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.main_conv = ConvModule(in_channels, 2 * self.mid_channels, 1, **cfg)
        self.final_conv = ConvModule(2 * self.mid_channels, out_channels, 1, **cfg)
        num_heads = max(self.mid_channels // head_channels, 1)
        self.blocks = nn.Sequential(*(PSABlock(self.mid_channels, num_heads, **cfg)
                                      for _ in range(num_blocks)))

    def forward(self, x: Tensor) -> Tensor:
        kept, attended = self.main_conv(x).split(self.mid_channels, dim=1)
        return self.final_conv(torch.cat([kept, self.blocks(attended)], dim=1))
