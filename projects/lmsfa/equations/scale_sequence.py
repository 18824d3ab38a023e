"""SSFF as Section III-C describes it: tokens, mixer, one bi-directional update (Eq. 10-12)."""
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.lmsfa.losses.sobel import sobel

from .aligner import Blur


class ScaleMixer(BaseModule):
    r"""The causal/anti-causal mixer :math:`\mathcal M` over the sequence of scales (Eq. 11).

    Tokens are projected to ``hidden`` channels. A depthwise convolution along the scale axis that
    reaches back over all earlier scales (padded on the left) is the causal half; its mirror image
    is the anti-causal half. Channel weights :math:`\alpha_\ell` read both halves; the gate of
    what comes from the next coarser scale, :math:`g^\uparrow_\ell`, reads the half that has
    seen it, the anti-causal one, and :math:`g^\downarrow_\ell` the causal one.

    Args:
        token_channels (int): d.
        channels (int): C_f, the width of every output.
        hidden (int): Width inside. Open in the paper; three tokens cost next to nothing at any.
        num_scales (int): Length of the sequence.

    Shape: (B, L, d) -> alpha (B, L, C_f) in (0, 2), up and down gates (B, L, C_f) in (0, 1). The
    last scale's up gate and the first scale's down gate have nothing to let through.
    """

    def __init__(self, token_channels: int, channels: int, hidden: int = 32, num_scales: int = 3,
                 init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.embed = nn.Linear(token_channels, hidden)
        self.causal_conv = nn.Conv1d(hidden, hidden, num_scales, groups=hidden)
        self.anticausal_conv = nn.Conv1d(hidden, hidden, num_scales, groups=hidden)
        self.alpha = nn.Linear(2 * hidden, channels)
        self.up = nn.Linear(hidden, channels)
        self.down = nn.Linear(hidden, channels)

    def halves(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Causal and anti-causal states, (B, L, hidden) each."""
        x = F.silu(self.embed(tokens)).transpose(1, 2)
        reach = self.causal_conv.kernel_size[0] - 1
        causal = self.causal_conv(F.pad(x, (reach, 0)))
        anticausal = self.anticausal_conv(F.pad(x, (0, reach)))
        return F.silu(causal.transpose(1, 2)), F.silu(anticausal.transpose(1, 2))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        causal, anticausal = self.halves(tokens)
        # 2 * sigmoid: around 1 at the start, so that features pass unchanged.
        alpha = 2 * self.alpha(torch.cat([causal, anticausal], -1)).sigmoid()
        return alpha, self.up(anticausal).sigmoid(), self.down(causal).sigmoid()


@MODELS.register_module()
class ScaleSequenceFusion(BaseModule):
    r"""SSFF of the equations (Eq. 10-12).

    .. math::
        t_\ell = [GAP(F_\ell); SMP(F_\ell)], \qquad
        \hat F_\ell = Conv(\alpha_\ell \odot F_\ell)
        + Up(Conv(F_{\ell+1})) \odot g^\uparrow_\ell
        + Down(Conv(F_{\ell-1})) \odot g^\downarrow_\ell

    SMP is the mean over a 2 x 2 grid, flattened and projected linearly: GAP plus a coarse layout.
    Up and Down are nearest resampling; every Conv is 1x1 and its own.

    Args:
        channels (int): C_f.
        smp_channels (int): Width of SMP's projection; d = C_f + smp_channels. The paper leaves d
            open; a quarter of C_f keeps the layout a hint beside the mean.
        mixer_channels (int): Width inside the mixer. Open in the paper; 32, half of C_f.
        blur (bool): 3x3 blur before Down, against aliasing; optional in the paper, off here.
        edge_gate (bool): Scale the upsampled path at the finest scale by a gate that reads that
            scale's gradient magnitude, so that coarse content does not leak over its edges.

    Shape: (F3, F4, F5), (B, C_f, H / 2^i, W / 2^i) -> the same shapes.
    """

    def __init__(self, channels: int, smp_channels: int = 16, mixer_channels: int = 32,
                 blur: bool = False, edge_gate: bool = False, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.smp = nn.Linear(4 * channels, smp_channels)
        self.mixer = ScaleMixer(channels + smp_channels, channels, mixer_channels)
        self.self_convs = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.up_convs = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.down_convs = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.blur = Blur(channels) if blur else nn.Identity()
        self.edge_conv = nn.Conv2d(1, 1, 1) if edge_gate else None

    def tokens(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, 3, d), Eq. 10."""
        return torch.stack([
            torch.cat([x.mean((2, 3)), self.smp(F.adaptive_avg_pool2d(x, 2).flatten(1))], 1)
            for x in feats], 1)

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        alpha, up, down = (w[..., None, None] for w in self.mixer(self.tokens(feats)))
        outs = [conv(alpha[:, i] * x) for i, (conv, x) in enumerate(
            zip(self.self_convs, feats, strict=True))]
        for i, conv in enumerate(self.up_convs):
            path = F.interpolate(conv(feats[i + 1]), scale_factor=2.0) * up[:, i]
            if i == 0 and self.edge_conv is not None:
                edges = sobel(feats[0]).abs().mean(1, keepdim=True)
                path = path * self.edge_conv(edges).sigmoid()
            outs[i] = outs[i] + path
        for i, conv in enumerate(self.down_convs):
            # Nearest resampling to half the size takes every second pixel.
            path = self.blur(conv(feats[i]))[:, :, ::2, ::2]
            outs[i + 1] = outs[i + 1] + path * down[:, i + 1]
        return tuple(outs)
