"""SSFF + TFE: the neck of LMSF-A's release wiring."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from medseg.models.defaults import ACT_CFG, NORM_CFG, scale_depth

from .ssff import SSFF
from .tfe import TFE


@MODELS.register_module()
class SSFFTFENeck(BaseModule):
    """Top-down by TFE, bottom-up by stride-2 convolutions, SSFF added at stride 8.

    With P2..P4 the stages, P5' the last stage before and P5 after SPPF::

        S10 = Conv1x1(P5)                       T4 = block(TFE(P3, P4, S10))
        S14 = Conv1x1(T4)                       T3 = block(TFE(P2, P3, S14))
        B4  = block([Conv3x3s2(T3), S14])       B5 = block([Conv3x3s2(B4), S10])
        N3  = T3 + SSFF(P3, P4, P5')

    Args:
        in_channels (tuple[int]): Channels of P2, P3, P4, P5' and P5.
        deepen_factor (float): Scales the units a block, 3 at 1.0.
        block (dict): Registered block (``C2fPro``, ``C2f``, ...).
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (P2, P3, P4, P5', P5) at strides 4, 8, 16, 32, 32 -> (N3, B4, B5) at strides 8, 16, 32
    with the channels of P3, P4 and P5.
    """

    def __init__(self, in_channels: tuple[int, int, int, int, int], deepen_factor: float = 0.33,
                 block: dict = dict(type='C2fPro'), norm_cfg: dict = NORM_CFG,  # noqa: B006
                 act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        c2, c3, c4, c5_stage, c5 = in_channels
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)

        def make_block(c_in: int, c_out: int) -> BaseModule:
            return MODELS.build(dict(block, in_channels=c_in, out_channels=c_out, shortcut=False,
                                     num_blocks=scale_depth(3, deepen_factor), **cfg))

        self.reduce5 = ConvModule(c5, c4, 1, **cfg)
        self.tfe4 = TFE(c3, c4, **cfg)
        self.top_down4 = make_block(self.tfe4.out_channels, c4)
        self.reduce4 = ConvModule(c4, c3, 1, **cfg)
        self.tfe3 = TFE(c2, c3, **cfg)
        self.top_down3 = make_block(self.tfe3.out_channels, c3)
        self.down3 = ConvModule(c3, c3, 3, stride=2, padding=1, **cfg)
        self.bottom_up4 = make_block(2 * c3, c4)
        self.down4 = ConvModule(c4, c4, 3, stride=2, padding=1, **cfg)
        self.bottom_up5 = make_block(2 * c4, c5)
        self.ssff = SSFF((c3, c4, c5_stage), c3, **cfg)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        p2, p3, p4, p5_stage, p5 = feats
        s10 = self.reduce5(p5)
        s14 = self.reduce4(self.top_down4(self.tfe4(p3, p4, s10)))
        t3 = self.top_down3(self.tfe3(p2, p3, s14))
        b4 = self.bottom_up4(torch.cat([self.down3(t3), s14], 1))
        b5 = self.bottom_up5(torch.cat([self.down4(b4), s10], 1))
        return t3 + self.ssff((p3, p4, p5_stage)), b4, b5
