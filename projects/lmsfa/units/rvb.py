"""RVB: the re-parameterisable RepViT block (Wang et al., CVPR 2024)."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule, constant_init
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG


def bn_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift that an inference-mode BatchNorm applies, each of shape (C,)."""
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


class RepDWConv(BaseModule):
    """Token mixer of RepViT: ``BN(BN(dw3x3(x)) + dw1x1(x) + x)``.

    At inference :meth:`fuse` gives the one depthwise 3x3 convolution with bias that it equals.

    Args:
        channels (int): Channels of input and output.
        norm_cfg (dict): ``momentum`` and ``eps`` of the two BatchNorms.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        bn_args = {k: v for k, v in norm_cfg.items() if k in ('eps', 'momentum')}
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm3x3 = nn.BatchNorm2d(channels, **bn_args)
        self.conv1x1 = nn.Conv2d(channels, channels, 1, groups=channels)
        self.norm = nn.BatchNorm2d(channels, **bn_args)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.norm3x3(self.conv3x3(x)) + self.conv1x1(x) + x)

    @torch.no_grad()
    def fuse(self) -> nn.Conv2d:
        """The depthwise 3x3 convolution with bias that equals this module in eval mode."""
        inner_scale, inner_shift = bn_affine(self.norm3x3)
        outer_scale, outer_shift = bn_affine(self.norm)
        weight = self.conv3x3.weight * inner_scale.view(-1, 1, 1, 1)
        weight[:, :, 1:2, 1:2] += self.conv1x1.weight + 1
        bias = inner_shift + self.conv1x1.bias
        conv = self.conv3x3
        fused = nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1, groups=conv.groups,
                          device=weight.device, dtype=weight.dtype)
        fused.weight.copy_(weight * outer_scale.view(-1, 1, 1, 1))
        fused.bias.copy_(bias * outer_scale + outer_shift)
        return fused


@MODELS.register_module()
class RVBUnit(BaseModule):
    """RVB-EMA: token mixer, attention, channel mixer.

    The channel mixer is ``x + BN(pw(GELU(BN(pw(x)))))`` with ``expand_ratio`` times the channels
    inside; its last BatchNorm starts at weight 0, so that the unit starts as its token mixer.

    Args:
        channels (int): Channels of input and output.
        expand_ratio (int): Widening inside the channel mixer.
        attention (dict, optional): Registered attention, built with ``channels``; None for none.
        norm_cfg (dict): Normalisation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, expand_ratio: int = 2,
                 attention: dict | None = dict(type='EMAttention', factor=8),  # noqa: B006
                 norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.token_mixer = RepDWConv(channels, norm_cfg)
        self.attention = (MODELS.build(dict(attention, channels=channels))
                          if attention else nn.Identity())
        hidden = expand_ratio * channels
        self.expand = ConvModule(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=dict(type='GELU'))
        self.project = ConvModule(hidden, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        constant_init(self.project.norm, 0)

    def init_weights(self) -> None:
        super().init_weights()
        constant_init(self.project.norm, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.token_mixer(x))
        return x + self.project(self.expand(x))
