"""SAM's two-way transformer, slimmed: a few tokens and the image attend to each other."""
from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class TokenAttention(BaseModule):
    """Softmax attention of several heads, narrower inside by ``downsample``.

    One side has a handful of tokens, so the matrix of weights is narrow.

    Args:
        dim (int): Channels.
        num_heads (int): A divisor of ``dim / downsample``.
        downsample (int): Inner width is ``dim / downsample``.

    Shape: (B, Q, dim), (B, K, dim), (B, K, dim) -> (B, Q, dim).
    """

    def __init__(self, dim: int, num_heads: int, downsample: int = 1, init_cfg=None) -> None:
        super().__init__(init_cfg)
        inner = dim // downsample
        if inner % num_heads:
            raise ValueError(f'{inner} inner channels do not divide into {num_heads} heads')
        self.num_heads = num_heads
        self.query, self.key, self.value = (nn.Linear(dim, inner) for _ in range(3))
        self.proj = nn.Linear(inner, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for layer, x in (
            (self.query, query), (self.key, key), (self.value, value)))
        weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class MetaPooling(nn.Module):
    """The decoder's multi-scale part: a map plus what each window's mean differs from it.

    ``x + sum over k of (mean of the k x k window inside the map - x)``, stride 1. It has no
    parameters.

    Args:
        windows (Sequence[int]): Odd sides of the windows; the paper's are 5, 9 and 13.

    Shape: (B, N, C) with a grid (h, w), h * w = N -> (B, N, C).
    """

    def __init__(self, windows: Sequence[int]) -> None:
        super().__init__()
        if any(window % 2 == 0 for window in windows):
            raise ValueError(f'pooling windows must be odd, got {tuple(windows)}')
        self.windows = tuple(windows)

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        image = x.transpose(1, 2).reshape(x.shape[0], -1, *grid)
        means = sum(F.avg_pool2d(image, window, 1, window // 2, count_include_pad=False)
                    for window in self.windows)
        pooled = image + means - len(self.windows) * image
        return pooled.flatten(2).transpose(1, 2)


class TwoWayLayer(BaseModule):
    """Tokens among themselves, tokens to image, MLP, image to tokens; norms behind the sums.

    The first layer's tokens take no position and no residual in their self-attention. With
    ``windows`` the image is pooled (:class:`MetaPooling`) before it is the value that the tokens
    read and the stream that goes on; the key stays unpooled.

    Args:
        dim (int): Channels.
        num_heads (int): Heads of all attentions.
        mlp_channels (int): Width of the MLP's middle.
        downsample (int): Of the attentions between tokens and image.
        first (bool): Whether this is the first layer.
        windows (Sequence[int]): Of the pooling; none leaves it out.
    """

    def __init__(self, dim: int, num_heads: int, mlp_channels: int, downsample: int, first: bool,
                 windows: Sequence[int] = (), init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.first = first
        self.self_attn = TokenAttention(dim, num_heads)
        self.to_image = TokenAttention(dim, num_heads, downsample)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_channels), nn.ReLU(),
                                 nn.Linear(mlp_channels, dim))
        self.to_tokens = TokenAttention(dim, num_heads, downsample)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(4))
        self.pooling = MetaPooling(windows) if windows else None

    def forward(self, tokens: Tensor, image: Tensor, token_code: Tensor, image_code: Tensor,
                grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            query = tokens + token_code
            tokens = tokens + self.self_attn(query, query, tokens)
        tokens = self.norms[0](tokens)
        key = image + image_code
        if self.pooling is not None:
            image = self.pooling(image, grid)
        tokens = self.norms[1](tokens + self.to_image(tokens + token_code, key, image))
        tokens = self.norms[2](tokens + self.mlp(tokens))
        image = self.norms[3](image + self.to_tokens(image + image_code, tokens + token_code,
                                                     tokens))
        return tokens, image


class TwoWayTransformer(BaseModule):
    """Layers of :class:`TwoWayLayer` and a last look of the tokens at the image.

    Args:
        dim, num_heads, mlp_channels, downsample, windows: See :class:`TwoWayLayer`.
        depth (int): Number of layers.

    Shape: tokens (B, T, dim), image (B, N, dim) and its position code (N, dim) -> tokens, image.
    """

    def __init__(self, dim: int = 256, depth: int = 2, num_heads: int = 8, mlp_channels: int = 256,
                 downsample: int = 2, windows: Sequence[int] = (), init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.ModuleList(
            TwoWayLayer(dim, num_heads, mlp_channels, downsample, first=i == 0, windows=windows)
            for i in range(depth))
        self.last = TokenAttention(dim, num_heads, downsample)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, image: Tensor, image_code: Tensor, grid: tuple[int, int]
                ) -> tuple[Tensor, Tensor]:
        token_code = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_code, image_code, grid)
        tokens = tokens + self.last(tokens + token_code, image + image_code, image)
        return self.norm(tokens), image
