"""Global anchor detector: a few points of the volume that the network orients itself by."""
import itertools

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .ghost_conv3d import NUM_GROUPS


@MODELS.register_module()
class GlobalAnchorDetector(BaseModule):
    """K anchors S in [0, 1]^(K x 3), normalised (D, H, W) coordinates, from the stem's map.

    conv 3x3x3 stride 2, GN, SiLU, global average, linear, SiLU, linear, logistic sigmoid. The
    paper states anchors made from the stem's features; that they are regressed from a pooled
    vector is our reading. Only the segmentation loss teaches them.

    Args:
        in_channels (int): Channels of the stem's map.
        num_anchors (int): K.
        hidden_channels (int): Width between the two linear layers.
        start_at_octants (bool): Start the anchors at the centres of the octants (0.25, 0.75)
            instead of near the middle, which breaks their symmetry. Needs 8 anchors.

    Shape: (B, in_channels, D, H, W) -> (B, K, 3).

    Raises:
        ValueError: ``start_at_octants`` with another number of anchors than 8.
    """

    def __init__(self, in_channels: int, num_anchors: int = 8, hidden_channels: int = 128,
                 start_at_octants: bool = False, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.num_anchors = num_anchors
        self.conv = nn.Conv3d(in_channels, in_channels, 3, 2, 1)
        self.norm = nn.GroupNorm(NUM_GROUPS, in_channels)
        self.act = nn.SiLU()
        self.hidden = nn.Linear(in_channels, hidden_channels)
        self.out = nn.Linear(hidden_channels, 3 * num_anchors)
        if start_at_octants:
            if num_anchors != 8:
                raise ValueError('GlobalAnchorDetector: start_at_octants needs num_anchors=8, '
                                 f'got {num_anchors}')
            centres = torch.tensor(list(itertools.product((0.25, 0.75), repeat=3)))
            with torch.no_grad():
                self.out.bias.copy_(centres.logit().flatten())

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.act(self.norm(self.conv(x))).mean(dim=(2, 3, 4))
        anchors = self.out(self.act(self.hidden(pooled)))
        # In single precision: a half cannot tell neighbouring voxels apart.
        return anchors.float().sigmoid().view(-1, self.num_anchors, 3)
