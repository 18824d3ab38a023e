"""Masks from prototypes and coefficients, at any size, only inside the boxes."""
import torch
from mmdet.structures import SampleList
from torch import Tensor

from medseg.runtime.postprocess import last_trusted


def _interpolation_matrix(out_size: int, in_size: int, scale: float, device: torch.device
                          ) -> Tensor:
    """Bilinear resampling of one axis as a matrix (``align_corners=False``, edges repeated).

    What lies beyond the image, in the padding, is not read; see
    :func:`~medseg.runtime.postprocess.last_trusted`.

    Args:
        out_size (int): Number of output pixels.
        in_size (int): Number of input pixels.
        scale (float): Input pixels an output pixel.

    Returns:
        Tensor: (out_size, in_size), rows sum to 1 and have at most two non-zero entries.
    """
    centre = (torch.arange(out_size, device=device) + 0.5) * scale - 0.5
    centre = centre.clamp(0, last_trusted(out_size, in_size, scale))
    low = centre.floor().long()
    high = (low + 1).clamp(max=in_size - 1)
    frac = centre - low
    matrix = torch.zeros(out_size, in_size, device=device)
    rows = torch.arange(out_size, device=device)
    matrix[rows, low] = 1 - frac
    # Accumulate: at the far edge low == high, and the row must still sum to one.
    matrix.index_put_((rows, high), frac, accumulate=True)
    return matrix


def decode_masks(protos: Tensor, coeffs: Tensor, bboxes: Tensor, out_shape: tuple[int, int],
                 scale: tuple[float, float], threshold: float = 0.5) -> Tensor:
    """Binary masks of the given instances at the output size.

    The logits are combined at prototype resolution, resampled bilinearly and cut at the box, as
    cutting the whole upsampled map would do, but only the pixels inside each box are computed.

    Args:
        protos (Tensor): Prototypes of one image, (P, h, w).
        coeffs (Tensor): Mask coefficients, (N, P).
        bboxes (Tensor): Boxes in output pixels, (N, 4) as x1, y1, x2, y2, clipped to the image.
        out_shape (tuple[int, int]): Height and width of the output.
        scale (tuple[float, float]): Prototype pixels an output pixel, as (x, y).
        threshold (float): Probability in (0, 1) above which a pixel belongs to the mask.

    Returns:
        Tensor: Bool masks, (N, *out_shape).
    """
    height, width = out_shape
    masks = torch.zeros((len(bboxes), height, width), dtype=torch.bool, device=protos.device)
    if len(bboxes) == 0:
        return masks
    protos, coeffs = protos.float(), coeffs.float()
    logits = torch.einsum('np,phw->nhw', coeffs, protos)
    to_x = _interpolation_matrix(width, logits.shape[2], scale[0], logits.device)
    to_y = _interpolation_matrix(height, logits.shape[1], scale[1], logits.device)
    cut = float(torch.logit(torch.tensor(threshold)))
    # A pixel belongs to the box when its centre does.
    corners = (bboxes - 0.5).ceil().long().clamp(min=0).tolist()
    for i, (x1, y1, x2, y2) in enumerate(corners):
        x2, y2 = min(x2, width), min(y2, height)
        if x1 >= x2 or y1 >= y2:
            continue
        rows, cols = to_y[y1:y2], to_x[x1:x2]
        # The prototype pixels this box can see; the matrices are banded.
        top, bottom = int(rows[0].argmax()) - 1, int(rows[-1].argmax()) + 2
        left, right = int(cols[0].argmax()) - 1, int(cols[-1].argmax()) + 2
        top, left = max(top, 0), max(left, 0)
        part = logits[i, top:bottom, left:right]
        masks[i, y1:y2, x1:x2] = (rows[:, top:bottom] @ part @ cols[:, left:right].T) > cut
    return masks


def resample(maps: Tensor, out_shape: tuple[int, int], scale: tuple[float, float]) -> Tensor:
    """Whole maps at the output size, bilinearly (``align_corners=False``, edges repeated).

    Pixel centres are mapped through the exact scale, so that neither padding nor the rounding of
    a resized image's size shifts anything, and what lies in the padding is not read. One axis
    after the other, by two rows or columns each.

    Args:
        maps (Tensor): (K, h, w) float.
        out_shape (tuple[int, int]): Height and width of the output.
        scale (tuple[float, float]): Map pixels an output pixel, as (x, y).

    Returns:
        Tensor: (K, *out_shape).
    """
    for dim, length, step in ((1, out_shape[0], scale[1]), (2, out_shape[1], scale[0])):
        size = maps.shape[dim]
        centre = (torch.arange(length, device=maps.device) + 0.5) * step - 0.5
        centre = centre.clamp(0, last_trusted(length, size, step))
        low = centre.floor().long()
        fraction = (centre - low).to(maps).reshape(-1, *[1] * (2 - dim))
        first = maps.index_select(dim, low)
        second = maps.index_select(dim, (low + 1).clamp(max=size - 1))
        maps = torch.lerp(first, second, fraction)
    return maps


def valid_area(batch_data_samples: SampleList, size: tuple[int, int], images: Tensor) -> Tensor:
    """Where a map looks at the image and not at its padding.

    Args:
        batch_data_samples (list[DetDataSample]): With ``img_shape``, the size before padding.
        size (tuple[int, int]): Height and width of the map.
        images (Tensor): The padded images, (B, C, H, W).

    Returns:
        Tensor: (B, 1, height, width) float, 1 where a cell lies wholly within the image.
    """
    height, width = images.shape[-2:]
    valid = images.new_zeros(len(images), 1, *size, dtype=torch.float32)
    for area, sample in zip(valid, batch_data_samples, strict=True):
        img_height, img_width = sample.img_shape[:2]
        area[:, :img_height * size[0] // height, :img_width * size[1] // width] = 1
    return valid
