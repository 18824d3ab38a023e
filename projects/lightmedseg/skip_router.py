"""Multi-scale skip fusion: deep skips choose, voxel by voxel, which encoder stage they read."""
from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .resize import resize_volume


class RouterController(BaseModule):
    """Softmax weights over the sources per voxel: conv 1 (n m -> m), SiLU, conv 1 (m -> n).

    Args:
        num_sources (int): n.
        channels (int): m, channels of every source.
    """

    def __init__(self, num_sources: int, channels: int, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.hidden = nn.Conv3d(num_sources * channels, channels, 1)
        self.act = nn.SiLU()
        self.out = nn.Conv3d(channels, num_sources, 1)

    def plain(self, sources: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Weights (B, n, *size), as the definition says: resize, concatenate, convolve."""
        resized = torch.cat([resize_volume(source, size) for source in sources], dim=1)
        return self.out(self.act(self.hidden(resized))).softmax(dim=1)

    def forward(self, sources: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The same weights without the concatenation of n m maps at the target's size.

        A 1x1x1 convolution and trilinear resizing commute (the resizing's weights sum to 1), so
        each source goes through its own slice of the convolution at the smaller of the two
        sizes, and only sums are held.
        """
        hidden = self.hidden.bias[:, None, None, None]
        channels = sources[0].shape[1]
        for i, source in enumerate(sources):
            weight = self.hidden.weight[:, i * channels:(i + 1) * channels]
            if source[0, 0].numel() > size[0] * size[1] * size[2]:
                part = nn.functional.conv3d(resize_volume(source, size), weight)
            else:
                part = resize_volume(nn.functional.conv3d(source, weight), size)
            hidden = hidden + part
        return self.out(self.act(hidden)).softmax(dim=1)


@MODELS.register_module()
class SkipRouter(BaseModule):
    """Skips of all decoder stages from all encoder stages.

    Every encoder map is projected to ``channels`` maps P_i (1x1x1 convolution). A routed target
    gets ``sum_i w_i P_i``, all P_i resized to its size and w from a softmax over the sources per
    voxel; the others get their own P_j. A last 1x1x1 convolution gives each target its stage's
    channels. The paper states learned multi-scale skip fusion; that only the two deepest targets
    are routed, and the straight wiring of the others, are our reading.

    Args:
        in_channels (Sequence[int]): Channels of the encoder stages, finest first.
        channels (int): m.
        routed (Sequence[int]): Indices of the routed targets.
        low_memory (bool): Use :meth:`RouterController.forward`, not its plain form.

    Shape: list of (B, C_i, D_i, H_i, W_i) -> list of the same shapes.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 64,
                 routed: Sequence[int] = (2, 3), low_memory: bool = True, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.low_memory = low_memory
        self.project_in = nn.ModuleList(nn.Conv3d(c, channels, 1) for c in in_channels)
        self.project_out = nn.ModuleList(nn.Conv3d(channels, c, 1) for c in in_channels)
        self.controllers = nn.ModuleDict({
            str(i): RouterController(len(in_channels), channels) for i in routed})

    def weights(self, sources: Sequence[Tensor], target: int) -> Tensor:
        """Softmax weights of a routed target, (B, n, D, H, W), summing to 1 over the sources."""
        controller = self.controllers[str(target)]
        size = sources[target].shape[2:]
        return controller(sources, size) if self.low_memory else controller.plain(sources, size)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        sources = [project(x) for project, x in zip(self.project_in, stages, strict=True)]
        skips = []
        for i, project in enumerate(self.project_out):
            fused = sources[i]
            if str(i) in self.controllers:
                weights = self.weights(sources, i)
                fused = sum(weights[:, j:j + 1] * resize_volume(source, fused.shape[2:])
                            for j, source in enumerate(sources))
            skips.append(project(fused))
        return skips
