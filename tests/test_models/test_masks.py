"""Mask decoding against the plain way: upsample everything, threshold, cut at the box."""
import math

import pytest
import torch
import torch.nn.functional as F

from medseg.models.masks import decode_masks


@pytest.mark.parametrize(('out_shape', 'input_shape'), [
    ((64, 64), (64, 64)), ((50, 70), (64, 96)), ((200, 123), (64, 64)), ((9, 31), (32, 64))])
def test_equals_plain_upsampling(out_shape, input_shape):
    protos = torch.randn(4, input_shape[0] // 4, input_shape[1] // 4)
    coeffs = torch.randn(5, 4)
    # The image fills a part of the padded input, at one scale.
    factor = min(input_shape[0] / out_shape[0], input_shape[1] / out_shape[1])
    scale = factor / 4
    h, w = out_shape
    bboxes = torch.tensor([[0, 0, w, h], [0.4, 0.6, w / 2, h / 2], [w / 3, h / 3, w - 0.3, h],
                           [2.5, 2.5, 2.5, 2.5], [1, 1, 3, 2]])
    masks = decode_masks(protos, coeffs, bboxes, out_shape, (scale, scale))

    logits = torch.einsum('np,phw->nhw', coeffs, protos)
    # Not beyond the last pixel of the prototypes whose centre is in the image.
    ys, xs = (((torch.arange(n) + 0.5) * scale - 0.5).clamp(max=math.ceil(n * scale - 0.501) - 1)
              for n in (h, w))
    ys, xs = ys / (logits.shape[1] - 1) * 2 - 1, xs / (logits.shape[2] - 1) * 2 - 1
    grid = torch.stack(torch.meshgrid(xs, ys, indexing='xy'), -1)[None]
    full = F.grid_sample(logits[None], grid, padding_mode='border', align_corners=True)[0]
    x, y = torch.arange(w) + 0.5, torch.arange(h) + 0.5
    for mask, box, logit in zip(masks, bboxes, full, strict=True):
        inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))
        clear = logit.abs() > 1e-4  # rounding may flip a pixel on the contour
        assert torch.equal(mask & clear, (logit > 0) & inside & clear)


def test_no_instances():
    masks = decode_masks(torch.randn(4, 8, 8), torch.zeros(0, 4), torch.zeros(0, 4), (30, 40),
                         (0.2, 0.2))
    assert masks.shape == (0, 30, 40)
