"""The edge model's neck: SSFF and TFE in their cheapest forms."""
from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG
from projects.lmsfa.units.rep_units import EDGE_ACT_CFG


@MODELS.register_module()
class EdgeNeck(BaseModule):
    """Three scales of equal width, fused by sums; SSFF's maximum over the scales at stride 8.

    With L the 1x1 projections, up nearest upsampling and pool maximum + average as in TFE::

        T4 = unit(L4 + up(L5))        T3 = unit(L3 + up(T4))
        B4 = unit(T4 + pool(T3))      B5 = unit(L5 + pool(B4))
        N3 = T3 + max(Conv(T3), up(Conv(B4)), up(up(Conv(B5))))

    Sums where TFE concatenates, and pooling where YOLOv8 has stride-2 convolutions, cost next to
    nothing; one 1x1 convolution with bias, shared by the scales, is SSFF's. Input sizes are
    multiples of 32, as the data preprocessor pads them.

    Args:
        in_channels (Sequence[int]): Channels at strides 8, 16, 32.
        channels (int): Channels of the outputs.
        units (Sequence[dict]): Registered unit at strides 8, 16 and 32.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, C_i, H / s_i, W / s_i), s = 8, 16, 32 -> the same with ``channels`` channels.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 64,
                 units: Sequence[dict] = (  # noqa: B006
                     dict(type='RepDenseUnit', num_convs=1), dict(type='RepLargeKernelUnit'),
                     dict(type='RepLargeKernelUnit')),
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = EDGE_ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != 3 or len(units) != 3:
            raise ValueError('EdgeNeck: needs 3 `in_channels` and 3 `units`, got '
                             f'{len(in_channels)} and {len(units)}')
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.projections = nn.ModuleList(ConvModule(c, channels, 1, **cfg) for c in in_channels)
        fine, middle, coarse = (dict(unit, channels=channels, **cfg) for unit in units)
        self.top_down4, self.top_down3 = MODELS.build(middle), MODELS.build(fine)
        self.bottom_up4, self.bottom_up5 = MODELS.build(middle), MODELS.build(coarse)
        self.scale_conv = nn.Conv2d(channels, channels, 1)

    @staticmethod
    def _pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2) + F.avg_pool2d(x, 2)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        l3, l4, l5 = (project(x) for project, x in zip(self.projections, feats, strict=True))
        t4 = self.top_down4(l4 + F.interpolate(l5, scale_factor=2.0))
        t3 = self.top_down3(l3 + F.interpolate(t4, scale_factor=2.0))
        b4 = self.bottom_up4(t4 + self._pool(t3))
        b5 = self.bottom_up5(l5 + self._pool(b4))
        # A 1x1 convolution commutes with nearest upsampling: each scale on its own grid.
        deep = self.scale_conv(b4).maximum(F.interpolate(self.scale_conv(b5), scale_factor=2.0))
        n3 = t3 + self.scale_conv(t3).maximum(F.interpolate(deep, scale_factor=2.0))
        return n3, b4, b5
