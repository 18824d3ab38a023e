"""Channel aligner between backbone and neck (Eq. 2-3)."""
import torch
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class Aligner(BaseModule):
    r""":math:`F_\ell = ReLU(GN(Conv_{1\times1}(P_\ell)))` for each scale (Eq. 2-3).

    The blur that the section allows "if a neck path applies stride-2 downsampling" stands at that
    path: ``ScaleSequenceFusion(blur=True)``.

    Args:
        in_channels (tuple[int]): Channels of the P_l.
        out_channels (int): C_f.
        num_groups (int): Groups of GroupNorm. Open in the paper; 16, as in the head.

    Shape: (B, C_l, H_l, W_l) for each l -> (B, C_f, H_l, W_l).
    """

    def __init__(self, in_channels: tuple[int, ...], out_channels: int, num_groups: int = 16,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.convs = nn.ModuleList(
            ConvModule(c, out_channels, 1, norm_cfg=dict(type='GN', num_groups=num_groups))
            for c in in_channels)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(conv(x) for conv, x in zip(self.convs, feats, strict=True))


class Blur(nn.Module):
    """Depthwise 3x3 binomial blur, fixed, against aliasing before a stride-2 step.

    Has no parameter: the kernel [1 2 1] x [1 2 1] / 16. Borders repeat, so that a constant stays
    what it is.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1., 2., 1.]) / 4
        self.register_buffer('kernel', torch.outer(row, row).repeat(channels, 1, 1, 1),
                             persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode='replicate')
        return nn.functional.conv2d(padded, self.kernel, groups=x.shape[1])
