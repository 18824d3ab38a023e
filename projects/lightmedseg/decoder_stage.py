"""One decoder stage: upsample, add the position bias, merge the skip, three weighted branches."""
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .ghost_conv3d import NUM_GROUPS
from .position_bias import AnchorPositionBias
from .se_gate import SEGate3D


def _norm_act(channels: int) -> list[nn.Module]:
    return [nn.GroupNorm(NUM_GROUPS, channels), nn.SiLU()]


@MODELS.register_module()
class AdaptiveDecoderStage(BaseModule):
    """Y = SE(pi1 f1(D) + pi2 f2(D) + pi3 f3(D)), D = conv1([U + SPB, skip]).

    U is the input, upsampled by a transposed convolution (or, in the deepest stage, a 1x1x1
    convolution of it). pi is a softmax over three maps of D, per voxel. f1 is a depthwise 3x3x3
    and a 1x1x1 convolution, f2 a ghost convolution, f3 a 1x1x1 convolution; each ends in GN and
    SiLU.

    Args:
        in_channels, out_channels (int): Channels of input (and skip) and output.
        upsample (bool): Double the size; False in the deepest stage.
        num_anchors (int): K; 0 leaves the bias out, the ablation without anchors.
        conv (dict): Registered convolution of f2, ``GhostConv3D`` or ``PlainConv3D``.
        distance (str): See :class:`AnchorPositionBias`.

    Shape: X (B, in_channels, D, H, W), skip (B, in_channels, 2D, 2H, 2W) ->
    (B, out_channels, 2D, 2H, 2W).
    """

    def __init__(self, in_channels: int, out_channels: int, upsample: bool = True,
                 num_anchors: int = 8, conv: dict = dict(type='GhostConv3D'),  # noqa: B006
                 distance: str = 'squared', init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.up = nn.ConvTranspose3d(in_channels, in_channels, 2, 2) if upsample \
            else nn.Conv3d(in_channels, in_channels, 1)
        self.bias = AnchorPositionBias(in_channels, num_anchors, distance) if num_anchors \
            else None
        self.merge = nn.Conv3d(2 * in_channels, in_channels, 1)
        self.choose = nn.Conv3d(in_channels, 3, 1)
        self.branches = nn.ModuleList([
            nn.Sequential(nn.Conv3d(in_channels, in_channels, 3, 1, 1, groups=in_channels),
                          nn.Conv3d(in_channels, out_channels, 1), *_norm_act(out_channels)),
            nn.Sequential(
                MODELS.build(dict(conv, in_channels=in_channels, out_channels=out_channels)),
                *_norm_act(out_channels)),
            nn.Sequential(nn.Conv3d(in_channels, out_channels, 1), *_norm_act(out_channels)),
        ])
        self.gate = SEGate3D(out_channels)

    def branch_weights(self, merged: Tensor) -> Tensor:
        """pi, (B, 3, D, H, W), summing to 1 over the branches."""
        return self.choose(merged).softmax(dim=1)

    def forward(self, x: Tensor, skip: Tensor, anchors: Tensor | None) -> Tensor:
        x = self.up(x)
        if self.bias is not None:
            x = x + self.bias(anchors, x.shape[2:])
        merged = self.merge(torch.cat([x, skip], dim=1))
        weights = self.branch_weights(merged)
        return self.gate(sum(weights[:, i:i + 1] * branch(merged)
                             for i, branch in enumerate(self.branches)))
