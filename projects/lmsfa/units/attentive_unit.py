"""YOLOv8's unit with an attention: where Table VI of the LMSF-A paper has SE, AFGC, CPCA, SimAM."""
from mmdet.registry import MODELS
from torch import Tensor

from medseg.models.c2f import DarknetUnit


@MODELS.register_module()
class AttentiveDarknetUnit(DarknetUnit):
    """A Darknet unit whose two convolutions are followed by an attention, inside the shortcut.

    Args:
        channels (int): Channels of input and output.
        attention (dict): Registered attention, built with ``channels``.

    Further arguments: see :class:`DarknetUnit`.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, attention: dict, **kwargs) -> None:
        super().__init__(channels, **kwargs)
        self.attention = MODELS.build(dict(attention, channels=channels))

    def forward(self, x: Tensor) -> Tensor:
        out = self.attention(self.conv2(self.conv1(x)))
        return x + out if self.shortcut else out
