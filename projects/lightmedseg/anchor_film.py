"""Anchor FiLM: scale and shift per channel from the anchors' coordinates."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class AnchorFiLM(BaseModule):
    """X' = (1 + gamma) X + beta, gamma = Wg s + bg, beta = Wb s + bb, s the flattened anchors.

    Both projections start at zero, so the module starts as the identity: with PyTorch's own
    initialisation the untrained projections jitter all features.

    Args:
        channels (int): Channels of X.
        num_anchors (int): K.

    Shape: X (B, channels, D, H, W), anchors (B, K, 3) -> (B, channels, D, H, W).
    """

    def __init__(self, channels: int, num_anchors: int, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.gamma = nn.Linear(3 * num_anchors, channels)
        self.beta = nn.Linear(3 * num_anchors, channels)
        for linear in (self.gamma, self.beta):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, anchors: Tensor) -> Tensor:
        flat = anchors.flatten(1).to(self.gamma.weight.dtype)
        gamma = self.gamma(flat)[:, :, None, None, None]
        return (1 + gamma) * x + self.beta(flat)[:, :, None, None, None]
