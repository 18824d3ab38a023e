"""SAM's prompt encoder: the dense position code, and embeddings of points, boxes and masks."""
from __future__ import annotations

import math

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .embedding_neck import ChannelLayerNorm


@MODELS.register_module()
class PromptEncoder(BaseModule):
    """Position code of the image tokens, and prompts where there are any.

    A place (x, y), 0 to 1 in the image, has the code sin and cos of 2 pi (2 (x, y) - 1) G, G being
    a fixed normal matrix (2, dim / 2), saved with the weights. HRMedSeg uses no prompts: the dense
    prompt is then the "no mask" embedding at every token, and only that is trained. With
    ``prompts`` the weights of the other kinds are there as well, as in the authors' release
    (6,220 parameters instead of 256); without prompts no gradient reaches them.

    Args:
        dim (int): Channels of the embedding, even.
        prompts (bool): Also make embeddings of points, boxes and masks.
    """

    def __init__(self, dim: int = 256, prompts: bool = False, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.dim = dim
        self.register_buffer('frequencies', torch.randn(2, dim // 2))
        self.no_mask = nn.Parameter(torch.randn(dim))
        if prompts:
            self.corners = nn.Parameter(torch.randn(4, dim))  # background, foreground, box corners
            self.no_point = nn.Parameter(torch.randn(dim))
            self.mask_layers = nn.Sequential(
                nn.Conv2d(1, 4, 2, 2), ChannelLayerNorm(4), nn.GELU(),
                nn.Conv2d(4, 16, 2, 2), ChannelLayerNorm(16), nn.GELU(),
                nn.Conv2d(16, dim, 1))

    def encode(self, places: Tensor) -> Tensor:
        """Code of places (..., 2), x and y from 0 to 1: (..., dim)."""
        phases = 2 * math.pi * ((2 * places - 1) @ self.frequencies)
        return torch.cat([phases.sin(), phases.cos()], -1)

    def grid_code(self, height: int, width: int) -> Tensor:
        """Code of the centres of a grid's cells, (height * width, dim), row by row."""
        device = self.frequencies.device
        y = (torch.arange(height, device=device).float() + 0.5) / height
        x = (torch.arange(width, device=device).float() + 0.5) / width
        # Sums with zeros, not `expand`: sizes stay values of a traced graph.
        places = torch.stack([x[None, :] + 0 * y[:, None], y[:, None] + 0 * x[None, :]], -1)
        return self.encode(places.flatten(0, 1))

    def dense(self, mask: Tensor | None = None) -> Tensor:
        """Dense prompt: (1, dim, 1, 1) without a mask, (B, dim, h, w) of logits (B, 1, 4h, 4w)."""
        return self.no_mask[None, :, None, None] if mask is None else self.mask_layers(mask)

    def sparse(self, points: Tensor, labels: Tensor) -> Tensor:
        """Embeddings of prompts at places of the image.

        Args:
            points (Tensor): (B, P, 2), x and y from 0 to 1.
            labels (Tensor): (B, P), what each is: -1 none (a filler), 0 a point of the
                background, 1 of the object, 2 and 3 the corners of a box.

        Returns:
            Tensor: (B, P, dim).
        """
        code = self.encode(points)
        known = code + self.corners[labels.clamp(min=0)]
        return torch.where((labels < 0)[..., None], self.no_point, known)
