"""TFE: triple feature encoding (ASF-YOLO, as LMSF-A's release uses it)."""
import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from medseg.models.defaults import ACT_CFG, NORM_CFG


@MODELS.register_module()
class TFE(BaseModule):
    """Bring a finer and a coarser map to the grid of the middle one and concatenate the three.

    The finer map is projected to the middle's channels and pooled (maximum + average, so that
    both edges and area survive); the coarser, already of those channels, is upsampled (nearest).

    Args:
        fine_channels (int): Channels of the finer map.
        channels (int): Channels of the middle and the coarser map.

    Shape: ((B, fine_channels, 2H, 2W), (B, channels, H, W), (B, channels, H/2, W/2))
    -> (B, 3 * channels, H, W). 2H and 2W are even by construction (input padded to 32).
    """

    def __init__(self, fine_channels: int, channels: int, norm_cfg: dict = NORM_CFG,
                 act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.out_channels = 3 * channels
        self.fine_conv = ConvModule(
            fine_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        fine = self.fine_conv(fine)
        fine = F.max_pool2d(fine, 2) + F.avg_pool2d(fine, 2)
        return torch.cat([fine, middle, F.interpolate(coarse, scale_factor=2.0)], dim=1)
