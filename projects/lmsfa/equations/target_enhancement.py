"""TFE as Section III-C describes it: target-focused enhancement (Eq. 13-15)."""
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class TargetFocusedEnhancement(BaseModule):
    r"""Deep semantics emphasise channels and places of the finest map (Eq. 13-15).

    .. math::
        S = Conv_{1\times1}([Up(\hat F_4), Up(\hat F_5)]), \quad
        w = \sigma(W_2 \delta(W_1 GAP(S))), \quad
        M_s = \sigma(DW_{3\times3}(S) + DW_{5\times5}(S)), \quad
        \tilde F_3 = (w \odot \hat F_3) \odot M_s + \hat F_3

    The two depthwise convolutions give C_f maps; their mean over the channels is the one map that
    :math:`M_s \in (0, 1)^{H_3 \times W_3}` asks for.

    Args:
        channels (int): C_f.
        reduction (int): Narrowing between W_1 and W_2. Open in the paper; 4 as in the gates.

    Shape: (F3, F4, F5), (B, C_f, H / 2^i, W / 2^i) -> (B, C_f, H, W).
    """

    def __init__(self, channels: int, reduction: int = 4, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.prior_conv = nn.Conv2d(2 * channels, channels, 1)
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)
        self.dw3x3 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.dw5x5 = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)

    def channel_gate(self, prior: Tensor) -> Tensor:
        """w, (B, C_f) in (0, 1)."""
        return self.expand(F.relu(self.reduce(prior.mean((2, 3))))).sigmoid()

    def spatial_gate(self, prior: Tensor) -> Tensor:
        """M_s, (B, 1, H, W) in (0, 1)."""
        return (self.dw3x3(prior) + self.dw5x5(prior)).mean(1, keepdim=True).sigmoid()

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        fine, middle, coarse = feats
        prior = self.prior_conv(torch.cat([
            F.interpolate(middle, scale_factor=2.0), F.interpolate(coarse, scale_factor=4.0)], 1))
        return (self.channel_gate(prior)[..., None, None] * fine) * self.spatial_gate(prior) + fine
