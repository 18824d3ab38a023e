"""Squeeze-and-excitation gate (Hu et al., CVPR 2018) for volumes."""
from mmengine.model import BaseModule
from torch import Tensor, nn


class SEGate3D(BaseModule):
    """x * sigmoid(W2 SiLU(W1 mean(x))), W1 to ``channels // max(4, channels // 8)``.

    Args:
        channels (int): Channels of the input; at least 4.

    Shape: (B, channels, D, H, W) -> the same.
    """

    def __init__(self, channels: int, init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = channels // max(4, channels // 8)
        self.squeeze = nn.Linear(channels, hidden)
        self.act = nn.SiLU()
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.excite(self.act(self.squeeze(x.mean(dim=(2, 3, 4))))).sigmoid()
        return x * gate[:, :, None, None, None]
