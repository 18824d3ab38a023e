"""The attention sub-step that the paper's equations describe (Eq. 8-9)."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG
from projects.lmsfa.units.rvb import RVBUnit


@MODELS.register_module()
class FeatureGate(BaseModule):
    r"""Channel weights from global context, and an optional spatial gate (Eq. 8-9).

    .. math::
        z_c = \frac{1}{HW} \sum_{u,v} Y_c(u, v), \quad a = g(z), \quad S = \sigma(h(Y)), \quad
        \tilde Y(c, u, v) = a_c\, S(u, v)\, Y(c, u, v)

    g is a bottleneck of two 1x1 convolutions with ReLU between and a sigmoid behind, so that
    :math:`a \in (0, 1)^C`; h is a depthwise k x k convolution whose C maps are averaged to the one
    map that the paper's :math:`S \in R^{1 \times H \times W}` asks for.

    Args:
        channels (int): C, channels of input and output.
        reduction (int): Narrowing of g's bottleneck. The paper leaves it open; 4 keeps at least 4
            channels at the sizes used here.
        spatial_kernel (int, optional): k, odd; None for no spatial gate. The paper leaves k open;
            3 is the cheapest that sees a neighbourhood.

    Shape: (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int, reduction: int = 4, spatial_kernel: int | None = 3,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = max(channels // reduction, 4)
        self.channel_mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1))
        self.spatial_conv = None if spatial_kernel is None else nn.Conv2d(
            channels, channels, spatial_kernel, padding=spatial_kernel // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        out = x * self.channel_mlp(x.mean((2, 3), keepdim=True)).sigmoid()
        if self.spatial_conv is not None:
            out = out * self.spatial_conv(x).mean(1, keepdim=True).sigmoid()
        return out


@MODELS.register_module()
class GatedRVBUnit(RVBUnit):
    """``RVB(gate(Y))``: the unit of Eq. 7-9, whose attention comes before the convolutions.

    Arguments and shapes are those of :class:`RVBUnit`; only the order differs.
    """

    def __init__(self, channels: int, expand_ratio: int = 2,
                 attention: dict | None = dict(type='FeatureGate'),  # noqa: B006
                 norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(channels, expand_ratio, attention, norm_cfg, init_cfg)

    def forward(self, x: Tensor) -> Tensor:
        x = self.token_mixer(self.attention(x))
        return x + self.project(self.expand(x))
