"""LGViT: the encoder that keeps one resolution and one width throughout."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import DropPath
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .rotary import RotaryCode


class MBConv(BaseModule):
    """Inverted bottleneck with the activation behind the sum.

    ``GELU(x + BN(1x1(GELU(BN(3x3 depthwise(GELU(BN(1x1(x)))))))))``; the last scale starts at 0,
    so that the block starts as GELU.

    Args:
        channels (int): In and out.
        expand_ratio (float): Width of the middle.

    Shape: (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int, expand_ratio: float = 2.0, init_cfg=None) -> None:
        super().__init__(init_cfg)
        hidden = int(channels * expand_ratio)
        act, norm = dict(type='GELU'), dict(type='BN')
        self.expand = ConvModule(channels, hidden, 1, norm_cfg=norm, act_cfg=act)
        self.depthwise = ConvModule(hidden, hidden, 3, padding=1, groups=hidden, norm_cfg=norm,
                                    act_cfg=act)
        self.project = ConvModule(hidden, channels, 1, norm_cfg=norm, act_cfg=None)
        self.activate = nn.GELU()
        nn.init.zeros_(self.project.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(x + self.project(self.depthwise(self.expand(x))))


class LGViTBlock(BaseModule):
    """``x + attention(LN(x))``, then ``x + MLP(LN(x))``, each with stochastic depth.

    Args:
        dim (int): Channels.
        num_heads (int): Heads of the attention.
        mlp_ratio (float): Width of the MLP's middle.
        drop_path (float): Chance, 0 to 1, that a sample skips a branch in training.
        attention (dict): Registered attention.

    Shape: (B, N, dim) -> (B, N, dim).
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, drop_path: float,
                 attention: dict, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = MODELS.build(dict(attention, dim=dim, num_heads=num_heads))
        self.norm2 = nn.LayerNorm(dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: tuple[int, int], code: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), grid, code))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@MODELS.register_module()
class LGViT(BaseModule):
    """Lightweight gated vision transformer: patches, convolutions, gated linear attention.

    One 16x16 patch embedding; then a stage of :class:`MBConv` and three of :class:`LGViTBlock`,
    all at stride 16 and of one width. There is no position embedding beside the rotary code, which
    is made for the grid at hand, so that any size may follow any other.

    Args:
        dim (int): Width; the paper's model has 96.
        patch_size (int): Side of a patch in pixels.
        depths (Sequence[int]): Blocks of the stages; the first are MBConvs.
        num_heads (Sequence[int]): Heads of the stages behind the first.
        mlp_ratio (float): Width of the middle of MLPs and MBConvs.
        drop_path_rate (float): Of the last block; it rises evenly from 0 at the first of all.
        attention (dict): Registered attention of the blocks.
        with_cp (bool): Compute the blocks again in the backward pass instead of keeping their
            activations: less memory, more time.

    Shape: (B, 3, H, W) -> a tuple of one map (B, dim, H / 16, W / 16).

    Raises:
        ValueError: On arguments that do not fit each other, or an input that is no multiple of
            ``patch_size``.
    """

    def __init__(self, dim: int = 96, patch_size: int = 16, depths: Sequence[int] = (2, 2, 6, 2),
                 num_heads: Sequence[int] = (6, 12, 24), mlp_ratio: float = 2.0,
                 drop_path_rate: float = 0.1,
                 attention: dict = dict(type='GatedLinearAttention'),  # noqa: B006
                 with_cp: bool = False, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if len(num_heads) != len(depths) - 1:
            raise ValueError(f'LGViT: {len(depths)} stages need {len(depths) - 1} numbers of '
                             f'heads, the first stage has none; got {tuple(num_heads)}')
        self.patch_size, self.with_cp = patch_size, with_cp
        self.patch_embed = nn.Conv2d(3, dim, patch_size, patch_size)
        self.stages = nn.ModuleList([nn.Sequential(
            *(MBConv(dim, mlp_ratio) for _ in range(depths[0])))])
        # The MBConvs have a place in the row of rates but take none.
        last = max(sum(depths) - 1, 1)
        rates = iter([drop_path_rate * i / last for i in range(depths[0], sum(depths))])
        for depth, heads in zip(depths[1:], num_heads, strict=True):
            self.stages.append(nn.ModuleList(
                LGViTBlock(dim, heads, mlp_ratio, next(rates), attention) for _ in range(depth)))
        self.rotary = RotaryCode(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        height, width = x.shape[2:]
        if not torch.jit.is_tracing() and (height % self.patch_size or width % self.patch_size):
            raise ValueError(f'LGViT: an input of {height} x {width} is no multiple of '
                             f'{self.patch_size}; set data_preprocessor.pad_size_divisor')
        x = self.stages[0](self.patch_embed(x))
        grid = x.shape[2:]
        code = self.rotary(*grid, x.device)
        x = x.flatten(2).transpose(1, 2)
        for stage in self.stages[1:]:
            for block in stage:
                if self.with_cp and x.requires_grad:
                    x = checkpoint(block, x, grid, code, use_reentrant=False)
                else:
                    x = block(x, grid, code)
        return (x.transpose(1, 2).reshape(x.shape[0], -1, *grid),)
