"""Efficient multi-scale attention (Ouyang et al., ICASSP 2023)."""
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class EMAttention(BaseModule):
    r"""EMA: per channel group, two branches gate each other's pixels.

    The channels are cut into ``groups`` of n = channels / groups. In each group, with x its
    input, the paper defines

    - strip branch: :math:`t = x \cdot \sigma(u_h) \cdot \sigma(u_w)`, where :math:`u_h, u_w` are
      one shared 1x1 convolution of the row and column means; :math:`x_1 = GN(t)` with a group
      per channel;
    - local branch: :math:`x_2 = Conv_{3\times3}(x)`;
    - cross-spatial learning: :math:`m = softmax(pool(x_1))^T x_2 + softmax(pool(x_2))^T x_1`,
      and the output is :math:`x \cdot \sigma(m)`.

    The forward pass computes exactly this with far less work, by three identities:

    - GN with one group a channel leaves a zero mean, so :math:`pool(x_1)` *is* GN's bias;
    - a weighted sum of the outputs of a convolution is a convolution with the weighted sum of
      its kernels, so the first product is one 3x3 convolution with a single output channel;
    - the mean of a zero-padded 3x3 convolution is linear in nine sums over x, which follow from
      its row and column sums and its corners, so :math:`x_2` is never formed.

    Args:
        channels (int): Channels of input and output.
        factor (int): Number of groups; ``channels`` must be a multiple of it.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    #: Run the definition instead of the rearranged form. Results are equal up to rounding;
    #: complexity figures are those of the definition, to be comparable with other papers.
    textbook = False

    def __init__(self, channels: int, factor: int = 8, init_cfg=None) -> None:
        super().__init__(init_cfg)
        if channels % factor:
            raise ValueError(
                f'EMAttention: {channels} channels cannot be cut into {factor} groups; '
                'choose a `factor` that divides them')
        self.groups = factor
        width = channels // factor
        self.conv1x1 = nn.Conv2d(width, width, 1)
        self.norm = nn.GroupNorm(width, width)
        self.conv3x3 = nn.Conv2d(width, width, 3, padding=1)

    def _mean_of_conv3x3(self, x: Tensor, row: Tensor, col: Tensor) -> Tensor:
        """Spatial mean of ``self.conv3x3(x)`` without computing it.

        Args:
            x (Tensor): Input, (N, C, H, W).
            row (Tensor): Row means, (N, C, H, 1).
            col (Tensor): Column means, (N, C, 1, W).

        Returns:
            Tensor: (N, C).
        """
        height, width = x.shape[-2:]
        area = height * width
        total = row.mean(2)[..., 0]
        # Means over the rows (columns) that a tap above, at and below (left, at, right of) the
        # centre sees: zero padding hides the last, none, or the first.
        no_rows = (row[:, :, -1, 0] / height, None, row[:, :, 0, 0] / height)
        no_cols = (col[:, :, 0, -1] / width, None, col[:, :, 0, 0] / width)
        taps = []
        for i, lost_row in enumerate(no_rows):
            for j, lost_col in enumerate(no_cols):
                tap = total
                if lost_row is not None:
                    tap = tap - lost_row
                if lost_col is not None:
                    tap = tap - lost_col
                if lost_row is not None and lost_col is not None:
                    tap = tap + x[:, :, -1 if i == 0 else 0, -1 if j == 0 else 0] / area
                taps.append(tap)
        sums = torch.stack(taps, dim=-1).flatten(1)  # (N, C * 9), taps in the kernel's order
        return F.linear(sums, self.conv3x3.weight.flatten(1), self.conv3x3.bias)

    def _forward_textbook(self, x: Tensor) -> Tensor:
        """The paper's operations one by one; what complexity figures count."""
        shape = x.shape
        x = x.reshape(shape[0] * self.groups, -1, *shape[-2:])
        row, col = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        strips = self.conv1x1(torch.cat([row, col.transpose(2, 3)], dim=2)).sigmoid()
        gate_h, gate_w = strips.split(shape[-2:], dim=2)
        x1 = self.norm(x * gate_h * gate_w.transpose(2, 3))
        x2 = self.conv3x3(x)
        weights1 = x1.mean((2, 3)).softmax(1)[:, None]
        weights2 = x2.mean((2, 3)).softmax(1)[:, None]
        logits = weights1 @ x2.flatten(2) + weights2 @ x1.flatten(2)
        return (x * logits.view(-1, 1, *shape[-2:]).sigmoid()).reshape(shape)

    def forward(self, x: Tensor) -> Tensor:
        if self.textbook:
            return self._forward_textbook(x)
        shape = x.shape
        height, width = shape[-2:]
        x = x.reshape(shape[0] * self.groups, -1, height, width)
        row = x.mean(3, keepdim=True)
        col = x.mean(2, keepdim=True)
        strips = self.conv1x1(torch.cat([row, col.transpose(2, 3)], dim=2)).sigmoid()
        gate_h, gate_w = strips.split([height, width], dim=2)
        gated = x * gate_h * gate_w.transpose(2, 3)

        var, mean = torch.var_mean(gated, dim=(2, 3), unbiased=False, keepdim=True)
        scale = self.norm.weight.view(1, -1, 1, 1) * (var + self.norm.eps).rsqrt()
        bias = self.norm.bias.view(1, -1, 1, 1)

        strip_weights = self.norm.bias.softmax(0)
        local_weights = self._mean_of_conv3x3(x, row, col).softmax(1)[..., None, None]
        # The single-output convolution, as a depthwise one whose outputs are summed with the
        # strip branch's: backends have fast depthwise kernels, and poor ones for 2 -> 1 channels.
        kernel = (strip_weights.view(-1, 1, 1, 1) * self.conv3x3.weight).sum(0)
        local = F.conv2d(x.view(shape), kernel[:, None].repeat(self.groups, 1, 1, 1), padding=1,
                         groups=shape[1])
        offset = ((local_weights * (bias - mean * scale)).sum(1, keepdim=True)
                  + (strip_weights * self.conv3x3.bias).sum())
        logits = torch.addcmul(local.view_as(x), gated, local_weights * scale).sum(1, keepdim=True)
        return (x * (logits + offset).sigmoid()).view(shape)

    def fuse(self) -> 'FusedEMAttention':
        """The same function for inference, in operations that runtimes are fast at."""
        return FusedEMAttention(self)


def _block_diagonal(weight: Tensor, groups: int) -> Tensor:
    """Kernel of the dense convolution that equals one convolution shared by all groups.

    Args:
        weight (Tensor): (C_out, C_in, k, k).
        groups (int): G.

    Returns:
        Tensor: (G * C_out, G * C_in, k, k).
    """
    out, inner = weight.shape[:2]
    dense = weight.new_zeros(groups, out, groups, inner, *weight.shape[2:])
    for i in range(groups):
        dense[i, :, i] = weight
    return dense.flatten(2, 3).flatten(0, 1)


class FusedEMAttention(nn.Module):
    """Inference form of :class:`EMAttention`.

    Groups are never an axis of their own: a map of five dimensions, or one of two channels with
    the groups on the batch axis, costs inference runtimes their blocked memory layouts. What a
    group shares becomes a block-diagonal 1x1 convolution (the strip gates, the sum over a group's
    channels) or a depthwise one, and all that depends on weights alone is computed here, once.

    Shape: (B, channels, H, W) -> (B, channels, H, W).
    """

    def __init__(self, ema: EMAttention) -> None:
        super().__init__()
        self.groups, self.eps = ema.groups, ema.norm.eps
        width = ema.norm.num_channels
        channels = self.groups * width
        weight, bias = ema.conv3x3.weight.detach(), ema.conv3x3.bias.detach()
        gamma, beta = ema.norm.weight.detach(), ema.norm.bias.detach()
        strip_weights = beta.softmax(0)
        like = dict(device=weight.device, dtype=weight.dtype)

        self.gate = nn.Conv2d(channels, channels, 1, **like)
        self.local = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False,
                               **like)
        self.group_sum = nn.Conv2d(channels, channels, 1, bias=False, **like)
        self.mean_of_conv = nn.Linear(9 * width, width, **like)
        with torch.no_grad():
            self.gate.weight.copy_(_block_diagonal(ema.conv1x1.weight, self.groups))
            self.gate.bias.copy_(ema.conv1x1.bias.repeat(self.groups))
            kernel = (strip_weights.view(-1, 1, 1, 1) * weight).sum(0)
            self.local.weight.copy_(kernel[:, None].repeat(self.groups, 1, 1, 1))
            ones = torch.ones(width, width, 1, 1, **like)
            self.group_sum.weight.copy_(_block_diagonal(ones, self.groups))
            # Zero padding hides the last row (column) from the taps above (left of) the centre
            # and the first from those below (right); in the corners, both.
            first, last = [weight[:, :, 2].sum(2), weight[:, :, :, 2].sum(2)], \
                [weight[:, :, 0].sum(2), weight[:, :, :, 0].sum(2)]
            parts = [weight.sum((2, 3)), -first[0], -last[0], -first[1], -last[1],
                     weight[:, :, 2, 2], weight[:, :, 2, 0], weight[:, :, 0, 2],
                     weight[:, :, 0, 0]]
            self.mean_of_conv.weight.copy_(torch.stack(parts, 2).flatten(1))
            self.mean_of_conv.bias.copy_(bias)
        self.register_buffer('gamma', gamma.repeat(self.groups).view(1, -1, 1, 1))
        # The offset of a group's logits, spread over its channels, which group_sum adds up.
        self.register_buffer('beta', beta.repeat(self.groups).view(1, -1, 1, 1))
        constant = (strip_weights * bias).sum() / width
        self.register_buffer('constant', constant.repeat(channels).view(1, -1, 1, 1))
        self.register_buffer('ends', torch.tensor([0, -1], device=weight.device))

    def local_weights(self, x: Tensor, row: Tensor, col: Tensor) -> Tensor:
        """softmax(pool(x_2)) in each group, (B, channels, 1, 1), from the row and column means.

        Args:
            x (Tensor): Input, (B, channels, H, W).
            row (Tensor): Row means, (B, channels, H, 1).
            col (Tensor): Column means, (B, channels, 1, W).
        """
        height, width = x.shape[-2:]
        means = torch.cat([
            row.mean(2), row[:, :, self.ends, 0] / height, col[:, :, 0, self.ends] / width,
            x[:, :, self.ends][:, :, :, self.ends].flatten(2) / (height * width)], 2)
        pooled = self.mean_of_conv(means.reshape(-1, self.mean_of_conv.in_features))
        return pooled.softmax(1).reshape(-1, x.shape[1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        row, col = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        gated = x * self.gate(row).sigmoid() * self.gate(col).sigmoid()
        centred = gated - gated.mean((2, 3), keepdim=True)
        var = (centred * centred).mean((2, 3), keepdim=True)
        weights = self.local_weights(x, row, col)
        scale = weights * (self.gamma * (var + self.eps).rsqrt())
        logits = self.group_sum(self.local(x) + centred * scale)
        return x * (logits + self.group_sum(weights * self.beta + self.constant)).sigmoid()
