"""ConvNeXt V2 (Woo et al., CVPR 2023)."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn.bricks import DropPath
from mmdet.registry import MODELS
from mmengine.model import BaseModule, trunc_normal_init
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, H, W), at every pixel by itself."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        return super().forward(x).permute(0, 3, 1, 2)


class GRN(nn.Module):
    """Global response normalisation (Section 4 of the paper).

    ``x + gamma * x * n + beta``, where n is the L2 norm of each channel over the image, divided by
    the mean of these norms. Both weights start at zero: the identity.

    Args:
        channels (int): Channels C.
        eps (float): Keeps the division finite.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) to the same."""
        norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        gain = norms / (norms.mean(-1, keepdim=True) + self.eps)
        return x + torch.addcmul(self.beta, self.gamma, x * gain)


class ConvNeXtV2Block(nn.Module):
    """Depthwise 7x7, layer norm, 1x1 to four times the width, GELU, GRN, 1x1 back; residual.

    Args:
        channels (int): Channels.
        drop_path (float): Probability of leaving the branch out for a sample, in training.
    """

    def __init__(self, channels: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pointwise_conv1 = nn.Linear(channels, 4 * channels)
        self.grn = GRN(4 * channels)
        self.pointwise_conv2 = nn.Linear(4 * channels, channels)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        y = self.depthwise_conv(x).permute(0, 2, 3, 1)
        y = self.grn(F.gelu(self.pointwise_conv1(self.norm(y))))
        return x + self.drop_path(self.pointwise_conv2(y).permute(0, 3, 1, 2))


#: Names in the paper's own repository, and here.
_OFFICIAL_NAMES = {'.dwconv.': '.depthwise_conv.', '.pwconv1.': '.pointwise_conv1.',
                   '.pwconv2.': '.pointwise_conv2.'}


@MODELS.register_module()
class ConvNeXtV2(BaseModule):
    """ConvNeXt V2; the defaults are size T, 27.9 M parameters without the classifier.

    Its weights are named as in MMPretrain's ``ConvNeXt``, whose checkpoints load with
    ``init_cfg=dict(type='Pretrained', checkpoint=FILE, prefix='backbone.')``. Checkpoints of the
    paper's own repository are renamed on loading; docs/models.md has the command. The norm of
    each output belongs to the detector: classifiers have the last at most.

    Args:
        depths (Sequence[int]): Blocks of the stages.
        channels (Sequence[int]): Channels of the stages, at strides 4, 8, 16, 32.
        out_indices (Sequence[int]): Stages whose outputs are returned, each normalised.
        drop_path_rate (float): Stochastic depth of the last block, 0 to 1; grows linearly from 0.
        init_cfg (dict, optional): Pretrained weights; otherwise a truncated normal with a standard
            deviation of 0.02.
    """

    def __init__(self, depths: Sequence[int] = (3, 3, 9, 3),
                 channels: Sequence[int] = (96, 192, 384, 768),
                 out_indices: Sequence[int] = (0, 1, 2, 3), drop_path_rate: float = 0.0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(depths) != len(channels):
            raise ValueError(f'depths and channels must be as many, got {depths} and {channels}')
        self.out_indices = tuple(out_indices)
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.downsample_layers = nn.ModuleList()
        self.stages = nn.ModuleList()
        for i, (depth, width) in enumerate(zip(depths, channels, strict=True)):
            if i == 0:
                reduce = [nn.Conv2d(3, width, 4, stride=4), LayerNorm2d(width, eps=1e-6)]
            else:
                reduce = [LayerNorm2d(channels[i - 1], eps=1e-6),
                          nn.Conv2d(channels[i - 1], width, 2, stride=2)]
            self.downsample_layers.append(nn.Sequential(*reduce))
            self.stages.append(nn.Sequential(
                *(ConvNeXtV2Block(width, next(rates)) for _ in range(depth))))
        for i in self.out_indices:
            self.add_module(f'norm{i}', LayerNorm2d(channels[i], eps=1e-6))

    def init_weights(self) -> None:
        """Pretrained weights where ``init_cfg`` names them, random ones before."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                trunc_normal_init(module, std=0.02, bias=0)
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of the chosen stages.

        Args:
            x (Tensor): Images, (N, 3, H, W); H and W at least 32.

        Returns:
            tuple[Tensor, ...]: (N, C_i, H / 2^(2+i), W / 2^(2+i)), rounded down.
        """
        outs = []
        for i, (reduce, stage) in enumerate(
                zip(self.downsample_layers, self.stages, strict=True)):
            x = stage(reduce(x))
            if i in self.out_indices:
                outs.append(getattr(self, f'norm{i}')(x))
        return tuple(outs)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Rename the weights of the paper's own repository, then load."""
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name, value = key, state_dict.pop(key)
            for theirs, ours in _OFFICIAL_NAMES.items():
                name = name.replace(theirs, ours)
            # GRN's weights are (1, 1, 1, C) there.
            state_dict[name] = value.flatten() if '.grn.' in name else value
        super()._load_from_state_dict(state_dict, prefix, *args)
