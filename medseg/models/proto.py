"""Prototype decoder of the prototype-coefficient mask scheme (YOLACT, as YOLOv8-seg has it)."""
import torch
from mmcv.cnn import ConvModule, fuse_conv_bn
from mmengine.model import BaseModule
from torch import Tensor, nn

from .defaults import ACT_CFG, NORM_CFG


class ProtoNet(BaseModule):
    """Mask prototypes at twice the resolution of the input map.

    Args:
        in_channels (int): Channels of the stride-8 map.
        mid_channels (int): Channels inside.
        num_protos (int): Number of prototypes.

    Shape: (B, in_channels, H, W) -> (B, num_protos, 2H, 2W).
    """

    def __init__(self, in_channels: int, mid_channels: int, num_protos: int = 32,
                 norm_cfg: dict = NORM_CFG, act_cfg: dict = ACT_CFG, init_cfg=None) -> None:
        super().__init__(init_cfg)
        cfg = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv1 = ConvModule(in_channels, mid_channels, 3, padding=1, **cfg)
        self.upsample = nn.ConvTranspose2d(mid_channels, mid_channels, 2, 2)
        self.conv2 = ConvModule(mid_channels, mid_channels, 3, padding=1, **cfg)
        self.conv3 = ConvModule(mid_channels, num_protos, 1, **cfg)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.upsample(self.conv1(x))))

    def fuse(self) -> 'FusedProtoNet':
        """The same function for inference, with less than half of the arithmetic."""
        return FusedProtoNet(self)


class FusedProtoNet(nn.Module):
    r"""Inference form of :class:`ProtoNet`.

    Nothing non-linear stands between the 2x2 transposed convolution and the 3x3 convolution, so
    together they are one linear map: each of the four output pixels of an input pixel (a *phase*)
    sees 2x2 input pixels. That is a 2x2 convolution with four times the channels, one block of
    channels a phase, with 2.5 times fewer multiplications than the two it replaces. Activation
    and the last 1x1 convolution work on the phases, which are interleaved at the very end.

    The 2x2 convolution runs on the grid of pixel corners, (H + 1) x (W + 1): corner p lies between
    the input rows p - 1 and p, and its two phases are the output rows 2p - 1 and 2p. The first
    and the last row that result are no pixels and are cut.

    At the border the 3x3 convolution sees zeros where the transposed convolution would have put
    its bias; ``bias_conv``, on a map of ones, gives what the bias contributes everywhere.

    Shape: (B, in_channels, H, W) -> (B, num_protos, 2H, 2W).
    """

    @torch.no_grad()
    def __init__(self, net: ProtoNet) -> None:
        super().__init__()
        self.conv1 = net.conv1
        conv2, conv3 = fuse_conv_bn(net.conv2), fuse_conv_bn(net.conv3)
        kernel, up = conv2.conv.weight, net.upsample.weight
        out, inner = kernel.shape[0], up.shape[0]
        like = dict(device=kernel.device, dtype=kernel.dtype)
        self.phase_conv = nn.Conv2d(inner, 4 * out, 2, padding=1, bias=False, **like)
        self.bias_conv = nn.Conv2d(1, 4 * out, 2, padding=1, **like)
        self.proto_conv = nn.Conv2d(4 * out, 4 * conv3.conv.out_channels, 1, groups=4, **like)
        self.activate2, self.activate3 = conv2.activate, conv3.activate

        weight = torch.zeros(2, 2, out, inner, 2, 2, **like)
        border = torch.zeros(2, 2, out, 1, 2, 2, **like)
        for row in range(2):
            for col in range(2):
                for i in range(3):
                    for j in range(3):
                        # Tap (i, j) of the 3x3 kernel reads this tap of the 2x2 kernel, there
                        # this phase of the transposed convolution.
                        tap_y, up_y = divmod(row + i, 2)
                        tap_x, up_x = divmod(col + j, 2)
                        weight[row, col, :, :, tap_y, tap_x] += \
                            kernel[:, :, i, j] @ up[:, :, up_y, up_x].T
                        border[row, col, :, 0, tap_y, tap_x] += \
                            kernel[:, :, i, j] @ net.upsample.bias
        self.phase_conv.weight.copy_(weight.flatten(0, 2))
        self.bias_conv.weight.copy_(border.flatten(0, 2))
        self.bias_conv.bias.copy_(conv2.conv.bias.repeat(4))
        self.proto_conv.weight.copy_(conv3.conv.weight.repeat(4, 1, 1, 1))
        self.proto_conv.bias.copy_(conv3.conv.bias.repeat(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        bias = self.bias_conv(torch.ones_like(x[:1, :1]))
        phases = self.activate2(self.phase_conv(x) + bias)
        phases = self.activate3(self.proto_conv(phases))
        batch, channels, height, width = phases.shape
        # (row phase, column phase, prototype) to the front of their axes.
        split = phases.view(batch, 2, 2, channels // 4, height, width)
        protos = split.permute(0, 3, 4, 1, 5, 2).reshape(
            batch, channels // 4, 2 * height, 2 * width)
        return protos[:, :, 1:-1, 1:-1]
