"""Units of the edge model: several branches while training, one convolution at inference."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_activation_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.models.defaults import NORM_CFG

from .rvb import bn_affine

#: ReLU is one instruction behind a convolution, in INT8 as well; SiLU runs in FP32 between them.
EDGE_ACT_CFG = dict(type='ReLU', inplace=True)


class RepConv(BaseModule):
    r"""A sum of convolutions of several sizes and of the input, each with its BatchNorm.

    .. math:: y = \sum_k BN_k(Conv_{k \times k}(x)) + BN_0(x)

    as in RepVGG (Ding et al., CVPR 2021) and RepLKNet (CVPR 2022). All of it is linear at
    inference: :meth:`fuse` gives the one convolution of the largest size that it equals.

    Args:
        channels (int): Channels of input and output.
        kernel_sizes (Sequence[int]): Odd sizes of the branches.
        depthwise (bool): One group per channel; dense otherwise.
        norm_cfg (dict): ``momentum`` and ``eps`` of the BatchNorms.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, kernel_sizes: Sequence[int] = (3, 1),
                 depthwise: bool = False, norm_cfg: dict = NORM_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if any(size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f'RepConv: kernel sizes must be odd, got {tuple(kernel_sizes)}')
        self.channels = channels
        self.groups = channels if depthwise else 1
        self.branches = nn.ModuleList(
            ConvModule(channels, channels, size, padding=size // 2, groups=self.groups,
                       norm_cfg=norm_cfg, act_cfg=None) for size in kernel_sizes)
        self.identity = nn.BatchNorm2d(
            channels, **{k: v for k, v in norm_cfg.items() if k in ('eps', 'momentum')})

    def forward(self, x: Tensor) -> Tensor:
        return sum((branch(x) for branch in self.branches), self.identity(x))

    @torch.no_grad()
    def fuse(self) -> nn.Conv2d:
        """The convolution with bias that equals this module in eval mode."""
        size = max(branch.conv.kernel_size[0] for branch in self.branches)
        scale, bias = bn_affine(self.identity)
        weight = scale.new_zeros(self.channels, self.channels // self.groups, size, size)
        nn.init.dirac_(weight, groups=self.groups)
        weight *= scale.view(-1, 1, 1, 1)
        for branch in self.branches:
            scale, shift = bn_affine(branch.norm)
            rim = (size - branch.conv.kernel_size[0]) // 2
            weight += F.pad(branch.conv.weight * scale.view(-1, 1, 1, 1), [rim] * 4)
            bias = bias + shift
        fused = nn.Conv2d(self.channels, self.channels, size, padding=size // 2,
                          groups=self.groups, device=weight.device, dtype=weight.dtype)
        fused.weight.copy_(weight)
        fused.bias.copy_(bias)
        return fused


@MODELS.register_module()
class RepDenseUnit(BaseModule):
    """Dense re-parameterised 3x3 convolutions in a row: capacity where maps are fine.

    Args:
        channels (int): Channels of input and output.
        num_convs (int): Convolutions in a row, each behind an activation; YOLOv8's unit has two.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, num_convs: int = 2, norm_cfg: dict = NORM_CFG,
                 act_cfg: dict = EDGE_ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential()
        for _ in range(num_convs):
            self.layers.append(RepConv(channels, (3, 1), norm_cfg=norm_cfg))
            self.layers.append(build_activation_layer(act_cfg))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@MODELS.register_module()
class RepLargeKernelUnit(BaseModule):
    r"""A large depthwise kernel that becomes one, then a channel mixer with a shortcut.

    .. math:: t = Rep_{7, 3, 1, 0}(x), \quad y = t + BN(PW(\delta(BN(PW(t)))))

    RepViT's block as LMSF-A's RVB has it, without attention, with a receptive field wide enough
    for strides 16 and 32.

    Args:
        channels (int): Channels of input and output.
        kernel_size (int): The largest kernel.
        expand_ratio (int): Widening inside the channel mixer.
        norm_cfg, act_cfg (dict): Normalisation and activation.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, channels: int, kernel_size: int = 7, expand_ratio: int = 2,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = EDGE_ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.token_mixer = RepConv(channels, (kernel_size, 3, 1), depthwise=True,
                                   norm_cfg=norm_cfg)
        hidden = expand_ratio * channels
        self.expand = ConvModule(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.project = ConvModule(hidden, channels, 1, norm_cfg=norm_cfg, act_cfg=None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.token_mixer(x)
        return x + self.project(self.expand(x))
