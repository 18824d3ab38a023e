"""SAM's image encoder, to distil from; its parts are named as in Meta's weight files."""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .embedding_neck import ChannelLayerNorm


def relative_table(table: Tensor, length: int) -> Tensor:
    """Rows of a table of relative places for every pair of places of one axis.

    Args:
        table (Tensor): (2 * L - 1, d) for the offsets -(L - 1) to L - 1; it is resampled linearly
            where L is not ``length``.
        length (int): Places along the axis.

    Returns:
        Tensor: (length, length, d); entry (i, j) is that of offset i - j.
    """
    if len(table) != 2 * length - 1:
        table = F.interpolate(table.T[None], size=2 * length - 1, mode='linear')[0].T
    place = torch.arange(length, device=table.device)
    return table[place[:, None] - place[None] + length - 1]


class SAMAttention(nn.Module):
    """Softmax attention on a grid with a learnt bias for the offset along each axis.

    Args:
        dim, num_heads (int): Channels and heads.
        size (int): Side of the grid that the tables of offsets are for.

    Shape: (B, H, W, dim) -> (B, H, W, dim).
    """

    def __init__(self, dim: int, num_heads: int, size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h, self.rel_pos_w = (
            nn.Parameter(torch.zeros(2 * size - 1, dim // num_heads)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1).permute(
            2, 0, 3, 1, 4)
        grid = q.unflatten(2, (height, width))
        rows = torch.einsum('bnhwd,hkd->bnhwk', grid, relative_table(self.rel_pos_h, height))
        columns = torch.einsum('bnhwd,wkd->bnhwk', grid, relative_table(self.rel_pos_w, width))
        bias = (rows[..., :, None] + columns[..., None, :]).flatten(4).flatten(2, 3)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(mixed.transpose(1, 2).reshape(batch, height, width, dim))


class SAMBlock(nn.Module):
    """Pre-norm attention, within windows or over the whole grid, and MLP.

    Args:
        dim, num_heads (int): Channels and heads.
        window (int): Side of the windows; 0 for the whole grid.
        size (int): Side of the grid of the whole image.

    Shape: (B, H, W, dim) -> (B, H, W, dim).
    """

    def __init__(self, dim: int, num_heads: int, window: int, size: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = SAMAttention(dim, num_heads, window or size)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.ModuleDict(dict(lin1=nn.Linear(dim, 4 * dim), lin2=nn.Linear(4 * dim, dim)))

    def _attend(self, x: Tensor) -> Tensor:
        """Attention, the grid padded with zeros to whole windows."""
        side = self.window
        if not side:
            return self.attn(x)
        batch, height, width, dim = x.shape
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.reshape(batch, rows, side, columns, side, dim).transpose(2, 3)
        x = self.attn(x.reshape(-1, side, side, dim))
        x = x.reshape(batch, rows, columns, side, side, dim).transpose(2, 3)
        return x.reshape(batch, rows * side, columns * side, dim)[:, :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norm1(x))
        hidden = F.gelu(self.mlp['lin1'](self.norm2(x)))
        return x + self.mlp['lin2'](hidden)


@MODELS.register_module()
class SAMEncoder(BaseModule):
    """Plain transformer with windows, and the neck to 256 channels (Kirillov et al., 2023).

    The defaults are ViT-H. Position embeddings are resampled to grids of another size.

    Args:
        dim, depth, num_heads (int): Of the transformer.
        global_blocks (Sequence[int]): Blocks without windows.
        window (int): Side of the windows of the others, in tokens.
        size (int): Side of the grid that the weights are for: 1024 pixels in patches of 16.
        out_channels (int): Of the embedding.

    Shape: (B, 3, H, W), multiples of 16 -> (B, out_channels, H / 16, W / 16).
    """

    def __init__(self, dim: int = 1280, depth: int = 32, num_heads: int = 16,
                 global_blocks: Sequence[int] = (7, 15, 23, 31), window: int = 14, size: int = 64,
                 out_channels: int = 256, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.patch_embed = nn.ModuleDict(dict(proj=nn.Conv2d(3, dim, 16, 16)))
        self.pos_embed = nn.Parameter(torch.zeros(1, size, size, dim))
        self.blocks = nn.ModuleList(
            SAMBlock(dim, num_heads, 0 if i in global_blocks else window, size)
            for i in range(depth))
        self.neck = nn.Sequential(
            nn.Conv2d(dim, out_channels, 1, bias=False), ChannelLayerNorm(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            ChannelLayerNorm(out_channels))

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed['proj'](images).permute(0, 2, 3, 1)
        places = self.pos_embed
        if places.shape[1:3] != x.shape[1:3]:
            places = F.interpolate(places.permute(0, 3, 1, 2), size=x.shape[1:3], mode='bicubic',
                                   align_corners=False).permute(0, 2, 3, 1)
        x = x + places
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))
