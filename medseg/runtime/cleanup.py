"""Masks as a viewer wants them: no specks, no pinholes, no object drawn twice.

Every option is off by default: evaluation scores what the network found. What each does to AP is
in docs/live.md.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from medseg.errors import UserError

from .postprocess import Instances
from .suppression import shown_once


@dataclass(frozen=True)
class CleanUp:
    """What is done to masks.

    Attributes:
        islands: Parts smaller than this share of the picture are removed, 0 to 1; the largest
            part of a mask always stays.
        holes: Holes smaller than this share of the picture are filled, 0 to 1.
        beyond_box: How far a mask may go on beyond its box where it meets the box's side, as a
            part of the box's sides; masks of prototype models alone are cut there.
        twice: Of two objects whose masks overlap by more than this IoU, or of which one lies in
            the other by more than this share, the weaker goes, whatever its class; 1 for never.

    Raises:
        UserError: A value is out of its range.
    """

    islands: float = 0.0
    holes: float = 0.0
    beyond_box: float = 0.0
    twice: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise UserError(f'clean-up: {name} is {value}; it must be between 0 and 1')


#: What the live view begins with.
FOR_VIEWERS = CleanUp(islands=0.0005, holes=0.0005, beyond_box=0.1, twice=0.8)


def clean(found: Instances, options: CleanUp) -> Instances:
    """Apply ``islands``, ``holes`` and ``twice``; ``beyond_box`` is the post-processor's.

    The post-processor can be given ``twice`` too, so that masks of what goes are not made.

    Args:
        found (Instances): Best first; stays as it is.
        options (CleanUp): What to do.
    """
    kept = single(found.masks, options.twice)
    out = replace(found, boxes=found.boxes[kept], labels=found.labels[kept],
                  scores=found.scores[kept], masks=found.masks[kept])
    area = out.masks.shape[1] * out.masks.shape[2]
    if options.islands or options.holes:
        for mask in out.masks:
            tidy(mask, options.islands * area, options.holes * area)
    return out


def tidy(mask: np.ndarray, island: float, hole: float) -> None:
    """Remove islands and fill holes of fewer pixels, in place.

    Args:
        mask (np.ndarray): (H, W) bool.
        island (float): Smallest part that stays beside the largest, pixels.
        hole (float): Smallest hole that stays, pixels.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return
    window = mask[y:y + height, x:x + width]
    part = np.ascontiguousarray(window).view(np.uint8)
    # One outline: neither islands nor holes, which is what most masks are.
    if len(cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]) == 1:
        return
    if island > 1:
        count, labels, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
        if count > 2:
            areas = stats[:, cv2.CC_STAT_AREA].copy()
            areas[0] = 0
            stays = areas >= min(island, areas.max())
            part = stays[labels].view(np.uint8)
    if hole > 1:
        # A frame of background around it joins what is open to the outside.
        outside = cv2.copyMakeBorder(1 - part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
        if count > 2:
            filled = stats[:, cv2.CC_STAT_AREA] < hole
            filled[[0, labels[0, 0]]] = False
            part = part | filled[labels][1:-1, 1:-1].view(np.uint8)
    window[:] = part.view(bool)


def single(masks: np.ndarray, limit: float) -> np.ndarray:
    """Which masks stay when one object is to be shown once.

    Args:
        masks (np.ndarray): (n, H, W) bool, best first.
        limit (float): See :attr:`CleanUp.twice`.

    Returns:
        np.ndarray: Indices, ascending.
    """
    count = len(masks)
    if limit >= 1 or count < 2:
        return np.arange(count)
    # A quarter of the rows and columns tell overlaps of this size apart.
    return shown_once(masks[:, ::4, ::4].reshape(count, -1).astype(np.float32), limit)
