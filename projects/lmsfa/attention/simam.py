"""SimAM: parameter-free attention from an energy function (Yang et al., ICML 2021)."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class SimAM(BaseModule):
    r"""A pixel counts by how far it is from its channel's mean.

    The minimal energy of a pixel t of a channel (Eq. 5 of the paper) and the output are

    .. math::
        e_t^* = \frac{4 (\hat\sigma^2 + \lambda)}
            {(t - \hat\mu)^2 + 2 \hat\sigma^2 + 2 \lambda}, \quad
        y = x \cdot \sigma(1 / e^*), \quad
        \frac{1}{e_t^*} = \frac{(t - \hat\mu)^2}{4 (\hat\sigma^2 + \lambda)} + \frac{1}{2}

    :math:`\hat\sigma^2` is the sum of squares over HW - 1, as in the authors' release.

    Args:
        channels (int): Channels of input and output; taken so that all attentions are built
            alike, and not needed.
        e_lambda (float): :math:`\lambda`; 1e-4 as in the paper.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, e_lambda: float = 1e-4, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.e_lambda = e_lambda

    def forward(self, x: Tensor) -> Tensor:
        square = (x - x.mean((2, 3), keepdim=True)).square()
        # A map of one pixel has no variance; the maximum keeps it from being 0 / 0.
        pixels = max(x.shape[2] * x.shape[3] - 1, 1)
        variance = square.sum((2, 3), keepdim=True) / pixels
        return x * (square / (4 * (variance + self.e_lambda)) + 0.5).sigmoid()
