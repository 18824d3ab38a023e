"""Spatial position bias: maps of distances to the anchors, so that place depends on content."""
from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class AnchorPositionBias(BaseModule):
    """SPB = conv1([d_1 ... d_K]), d_k(v) the distance of voxel v's centre to anchor a_k.

    "Content-tied", since the anchors come from the volume. The paper leaves the distance open.

    Args:
        channels (int): Channels of the bias.
        num_anchors (int): K.
        distance (str): ``'squared'`` (our choice), ``'euclidean'`` or ``'gaussian'``:
            |v - a|^2, |v - a|, or exp(-|v - a|^2 / tau).
        tau (float): Of the last one, in squared shares of the volume's side.

    Shape: anchors (B, K, 3), size (D, H, W) -> (B, channels, D, H, W).

    Raises:
        ValueError: Another ``distance``.
    """

    def __init__(self, channels: int, num_anchors: int, distance: str = 'squared',
                 tau: float = 0.1, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if distance not in ('squared', 'euclidean', 'gaussian'):
            raise ValueError(f"AnchorPositionBias: distance must be 'squared', 'euclidean' or "
                             f"'gaussian', got {distance!r}")
        self.distance = distance
        self.tau = tau
        self.project = nn.Conv3d(num_anchors, channels, 1)

    def maps(self, anchors: Tensor, size: Sequence[int]) -> Tensor:
        """The K distance maps, (B, K, D, H, W)."""
        # |v - a|^2 axis by axis: no (B, K, D, H, W, 3) tensor.
        squared = 0
        for axis, n in enumerate(size):
            line = (torch.arange(n, device=anchors.device, dtype=torch.float32) + 0.5) / n
            part = (line - anchors[:, :, axis, None].float()).square()
            shape = [*part.shape[:2], 1, 1, 1]
            shape[2 + axis] = n
            squared = squared + part.reshape(shape)
        if self.distance == 'squared':
            return squared
        if self.distance == 'gaussian':
            return (-squared / self.tau).exp()
        # The root's slope is infinite at 0.
        return squared.clamp(min=1e-12).sqrt()

    def forward(self, anchors: Tensor, size: Sequence[int]) -> Tensor:
        return self.project(self.maps(anchors, size).to(self.project.weight.dtype))
