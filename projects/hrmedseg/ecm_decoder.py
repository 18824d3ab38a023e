"""ECM-Decoder: one token a class reads the image, and its hypernetwork draws the class's mask."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from medseg.errors import UserError

from .embedding_neck import ChannelLayerNorm
from .two_way_transformer import TwoWayTransformer


@MODELS.register_module()
class ECMDecoder(BaseModule):
    """Efficient cross-multiscale decoder.

    Mask tokens and one extra token (the place of SAM's IoU token) go through a
    :class:`.TwoWayTransformer` with the image tokens. The image is then enlarged four times to a
    narrow map, and each class's mask logits are the product of that map with a vector that the
    class's own hypernetwork makes of the class's own token.

    In the authors' release all hypernetworks read the extra token, which one mask does not
    notice and several cannot use; here each reads its own. Their three mask tokens, of which one
    is used, are ``num_mask_tokens=3``; by default there are as many as classes.

    Args:
        num_classes (int): Masks that come out.
        in_channels (int): Of the image embedding.
        num_mask_tokens (int, optional): Tokens and hypernetworks, at least ``num_classes``.
        depth, num_heads, mlp_channels, downsample (int): Of the transformer.
        windows (Sequence[int]): Of the multi-scale pooling that the paper draws and the release
            leaves out: ``(5, 9, 13)``; empty for none.
        channels (tuple[int, int]): Of the map at twice and four times the embedding's resolution.

    Shape: image embedding (B, in_channels, h, w) and codes of a :class:`.PromptEncoder` -> logits
    (B, num_classes, 4h, 4w).

    Raises:
        UserError: More classes than tokens.
    """

    def __init__(self, num_classes: int, in_channels: int = 256,
                 num_mask_tokens: int | None = None, depth: int = 2, num_heads: int = 8,
                 mlp_channels: int = 256, downsample: int = 2, windows: Sequence[int] = (),
                 channels: tuple[int, int] = (64, 32), init_cfg=None) -> None:
        super().__init__(init_cfg)
        tokens = num_classes if num_mask_tokens is None else num_mask_tokens
        if not 1 <= num_classes <= tokens:
            raise UserError(f'decode_head: {num_classes} classes and {tokens} mask tokens; each '
                            'class needs a token of its own: raise num_mask_tokens, or leave it '
                            'out')
        self.num_classes = num_classes
        self.extra_token = nn.Parameter(torch.randn(1, in_channels))
        self.mask_tokens = nn.Parameter(torch.randn(tokens, in_channels))
        self.transformer = TwoWayTransformer(in_channels, depth, num_heads, mlp_channels,
                                             downsample, windows)
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(in_channels, channels[0], 2, 2), ChannelLayerNorm(channels[0]),
            nn.GELU(), nn.ConvTranspose2d(channels[0], channels[1], 2, 2), nn.GELU())
        self.hypernetworks = nn.ModuleList(nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(),
            nn.Linear(in_channels, in_channels), nn.ReLU(),
            nn.Linear(in_channels, channels[1])) for _ in range(tokens))

    def forward(self, image: Tensor, image_code: Tensor, sparse: Tensor | None = None) -> Tensor:
        """Mask logits.

        Args:
            image (Tensor): Embedding with the dense prompt added, (B, C, h, w).
            image_code (Tensor): Position code of its cells, (h * w, C).
            sparse (Tensor, optional): Embeddings of prompts, (B, P, C).

        Returns:
            Tensor: (B, num_classes, 4h, 4w).
        """
        batch, grid = image.shape[0], image.shape[2:]
        # A product with ones, not `expand`: the batch size stays a value of a traced graph.
        ones = torch.ones_like(image[:, :1, :1, 0])
        tokens = torch.cat([self.extra_token, self.mask_tokens])[None] * ones
        if sparse is not None:
            tokens = torch.cat([tokens, sparse], 1)
        tokens, image = self.transformer(tokens, image.flatten(2).transpose(1, 2),
                                         image_code, grid)
        fine = self.enlarge(image.transpose(1, 2).reshape(batch, -1, *grid))
        vectors = torch.stack([self.hypernetworks[i](tokens[:, 1 + i])
                               for i in range(self.num_classes)], 1)
        return (vectors @ fine.flatten(2)).reshape(batch, -1, *fine.shape[2:])
