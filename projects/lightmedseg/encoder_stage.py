"""One encoder stage: ghost convolution, anchor FiLM, texture-routed mixing, SE gate."""
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from .anchor_film import AnchorFiLM
from .ghost_conv3d import NUM_GROUPS
from .resize import resize_volume
from .se_gate import SEGate3D


@MODELS.register_module()
class TextureRoutedStage(BaseModule):
    """E = SE(T detail(X') + (1 - T) smooth(X')), X' = FiLM(conv(X)).

    ``detail`` is a depthwise 3x3x3 convolution with GN and SiLU, ``smooth`` a 1x1x1 convolution:
    detail where the texture map is high. T is resized to the stage's size.

    Args:
        in_channels, out_channels (int): Channels of input and output.
        num_anchors (int): K; 0 leaves FiLM out, the ablation without anchors.
        conv (dict): Registered convolution, ``GhostConv3D`` or ``PlainConv3D``.

    Shape: X (B, in_channels, D, H, W), T (B, 1, D0, H0, W0), anchors (B, K, 3) or None ->
    (B, out_channels, D, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, num_anchors: int = 8,
                 conv: dict = dict(type='GhostConv3D'), init_cfg=None) -> None:  # noqa: B006
        super().__init__(init_cfg)
        self.conv = MODELS.build(dict(conv, in_channels=in_channels, out_channels=out_channels))
        self.film = AnchorFiLM(out_channels, num_anchors) if num_anchors else None
        self.detail = nn.Sequential(
            nn.Conv3d(out_channels, out_channels, 3, 1, 1, groups=out_channels),
            nn.GroupNorm(NUM_GROUPS, out_channels), nn.SiLU())
        self.smooth = nn.Conv3d(out_channels, out_channels, 1)
        self.gate = SEGate3D(out_channels)

    def forward(self, x: Tensor, texture: Tensor, anchors: Tensor | None) -> Tensor:
        x = self.conv(x)
        if self.film is not None:
            x = self.film(x, anchors)
        texture = resize_volume(texture, x.shape[2:])
        return self.gate(texture * self.detail(x) + (1 - texture) * self.smooth(x))
