"""The neck of the paper's equations: aligner, SSFF, TFE (Eq. 2-3, 10-15)."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from .aligner import Aligner


@MODELS.register_module()
class ScaleSequenceNeck(BaseModule):
    r"""Outputs :math:`\{\tilde F_3, \hat F_4, \hat F_5\}`.

    Args:
        in_channels (tuple[int, int, int]): Channels of P3, P4 and P5.
        channels (int): C_f. Open in the paper; 64, the channels of P3 at size n.
        ssff (dict): Config of the registered fusion, built with ``channels``.
        tfe (dict): Config of the registered enhancement, built with ``channels``.

    Shape: (P3, P4, P5) at strides 8, 16, 32 -> (B, C_f, H / s, W / s) at the same strides.
    """

    def __init__(self, in_channels: tuple[int, int, int], channels: int = 64,
                 ssff: dict = dict(type='ScaleSequenceFusion'),  # noqa: B006
                 tfe: dict = dict(type='TargetFocusedEnhancement'),  # noqa: B006
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.aligner = Aligner(in_channels, channels)
        self.ssff = MODELS.build(dict(ssff, channels=channels))
        self.tfe = MODELS.build(dict(tfe, channels=channels))

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fused = self.ssff(self.aligner(feats))
        return self.tfe(fused), fused[1], fused[2]
