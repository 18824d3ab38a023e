"""The stacked 2-D form of SSFF equals the 3-D convolution of the paper."""
import torch
import torch.nn.functional as F
from torch import nn

from projects.lmsfa.neck.ssff import SSFF


def test_equals_conv3d():
    ssff = SSFF((8, 8, 8), 8).train()
    ssff.projections = nn.ModuleList(nn.Identity() for _ in range(3))
    conv, norm = nn.Conv3d(8, 8, 1), nn.BatchNorm3d(8, eps=0.001)
    conv.weight.data.copy_(ssff.scale_conv.conv.weight[..., None])
    conv.bias.data.copy_(ssff.scale_conv.conv.bias)
    feats = (torch.randn(2, 8, 8, 8), torch.randn(2, 8, 4, 4), torch.randn(2, 8, 2, 2))
    volume = torch.stack([F.interpolate(f, size=(8, 8)) for f in feats], dim=2)
    expected = F.leaky_relu(norm(conv(volume)), 0.1).amax(dim=2)
    torch.testing.assert_close(ssff(feats), expected)
