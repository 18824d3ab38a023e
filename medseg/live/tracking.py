"""Objects that keep their identity, class and outline from frame to frame.

A tracker of our own, since those of packages carry boxes along by a motion model of each box.
Here the whole picture moves with the scope, so masks are carried along by the picture's own
motion and matched by their overlap, which also gives what smoothing needs: the earlier mask where
the object is now. (``supervision``, whose ByteTrack was considered, hands its trackers over to a
package that needs the OpenCV build with a window system, and brings SciPy and Matplotlib.)
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from medseg.runtime.postprocess import Instances

from .motion import Motion, warp


@dataclass(frozen=True)
class Smoothing:
    """How much the past counts.

    Attributes:
        mask: Weight of a new mask against the one carried along, 0 to 1; 1 for the new alone.
        score: Weight of a new score and class against those before, 0 to 1.
        overlap: Least IoU of a mask carried along and a new one of the same object.
        patience: Frames for which an object that is not found is carried along.
        doubt: An object that is shown stays as long as its score is above this part of the
            threshold, so that scores around the threshold do not make it blink.
        proof: Frames in which an object must be found before it is shown, unless its score is
            above the middle between the threshold and 1.
    """

    mask: float = 0.45
    score: float = 0.35
    overlap: float = 0.3
    patience: int = 4
    doubt: float = 0.6
    proof: int = 2


#: Identities alone: every mask, score and class as it was found.
NO_SMOOTHING = Smoothing(mask=1.0, score=1.0, patience=0, doubt=1.0, proof=1)


@dataclass
class Track:
    """An object.

    Attributes:
        number: Its identity, from 1.
        score: Smoothed score, 0 to 1, whatever the class.
        votes: (C,) smoothed score of each class.
        label: The class it is shown with.
        belief: (h, w) float32, 0 to 1, its smoothed mask at the size of the flow.
        seen: Frames in which it was found.
        missed: Frames since it was found.
        shown: Whether it was shown in the last frame.
        found: Index of what was found of it in this frame, or None.
    """

    number: int
    score: float
    votes: np.ndarray
    label: int
    belief: np.ndarray
    seen: int = 1
    missed: int = 0
    shown: bool = False
    found: int | None = None


@dataclass
class Tracked(Instances):
    """Instances with identities.

    Attributes:
        ids: (n,) int64, from 1; no number is given twice. 0 where nothing is followed.
    """

    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def above(self, threshold: float) -> Tracked:
        """Those with a higher score."""
        kept = np.flatnonzero(self.scores > threshold)
        return replace(self, boxes=self.boxes[kept], labels=self.labels[kept],
                       scores=self.scores[kept], masks=self.masks[kept], ids=self.ids[kept])


class Tracker:
    """Follows objects through a stream.

    Args:
        classes (int): Number of classes.
        smoothing (Smoothing): See there.
    """

    def __init__(self, classes: int, smoothing: Smoothing | None = None) -> None:
        self.classes = classes
        self.smoothing = Smoothing() if smoothing is None else smoothing
        self._motion, self._tracks, self._last = Motion(), [], 0

    @property
    def floor(self) -> float:
        """Part of the threshold down to which objects should be given to :meth:`step`."""
        return self.smoothing.doubt

    def reset(self) -> None:
        """Forget all objects; numbers go on."""
        self._motion, self._tracks = Motion(), []

    def step(self, frame: np.ndarray, found: Instances, threshold: float) -> Tracked:
        """Take the next frame.

        Args:
            frame (np.ndarray): BGR, (H, W, 3) uint8.
            found (Instances): What the network found in it, down to ``floor * threshold``; its
                masks may be smaller than the frame.
            threshold (float): Objects need a higher score to appear, 0 to 1.

        Returns:
            Tracked: What to show, best first.
        """
        places = self._motion(frame)
        if places is None:
            self._tracks.clear()
        size = self._motion.size
        new = _shrink(found.masks, size)
        for track in self._tracks:
            track.belief, track.found = warp(track.belief, places), None
        self._match(found, new)
        self._update(found, new, threshold)
        return self._show(found, frame.shape[:2], threshold)

    def _match(self, found: Instances, new: np.ndarray) -> None:
        """Give each track what overlaps it most, the best pair first."""
        if not self._tracks or not len(found):
            return
        old = np.stack([track.belief for track in self._tracks]).reshape(len(self._tracks), -1)
        flat = new.reshape(len(new), -1)
        common = old @ flat.T
        overlap = common / np.maximum(old.sum(1)[:, None] + flat.sum(1)[None] - common, 1e-6)
        # Another class at the same place is the same object only if they agree well.
        same = np.array([track.label for track in self._tracks])[:, None] == found.labels[None]
        rank = np.where(overlap >= self.smoothing.overlap, overlap + same, 0)
        rank = np.where(~same & (overlap < 0.5), 0, rank)
        while rank.max() > 0:
            row, column = np.unravel_index(rank.argmax(), rank.shape)
            self._tracks[row].found = int(column)
            rank[row], rank[:, column] = 0, 0

    def _update(self, found: Instances, new: np.ndarray, threshold: float) -> None:
        """Blend what was found into the tracks; begin new ones, end old ones."""
        by, taken = self.smoothing, set()
        for track in self._tracks:
            vote = np.zeros(self.classes, np.float32)
            if track.found is None:
                track.missed += 1
                track.score *= 1 - by.score / 2  # doubt grows with every frame
                continue
            taken.add(track.found)
            track.seen, track.missed = track.seen + 1, 0
            vote[found.labels[track.found]] = score = float(found.scores[track.found])
            track.score += by.score * (score - track.score)
            track.votes += by.score * (vote - track.votes)
            track.belief += by.mask * (new[track.found] - track.belief)
            best = int(track.votes.argmax())
            # A class must be ahead for good before an object changes to it.
            if track.votes[best] > (1.2 if by.score < 1 else 1.0) * track.votes[track.label]:
                track.label = best
        self._tracks = [track for track in self._tracks
                        if track.missed <= by.patience and track.belief.max(initial=0) > 0.5]
        for index in range(len(found)):
            if index in taken or found.scores[index] <= threshold:
                continue
            self._last += 1
            label = int(found.labels[index])
            votes = np.zeros(self.classes, np.float32)
            votes[label] = score = float(found.scores[index])
            self._tracks.append(
                Track(self._last, score, votes, label, new[index].copy(), found=index))

    def _show(self, found: Instances, size: tuple[int, int], threshold: float) -> Tracked:
        by = self.smoothing
        sure = (1 + threshold) / 2
        for track in self._tracks:
            enough = threshold * (by.doubt if track.shown else 1)
            proven = track.seen >= by.proof or track.score > sure
            track.shown = proven and track.score > enough
        shown = sorted((track for track in self._tracks if track.shown),
                       key=lambda track: -track.score)
        masks = np.zeros((len(shown), *size), bool)
        boxes = np.zeros((len(shown), 4), np.float32)
        for mask, box, track in zip(masks, boxes, shown, strict=True):
            # Without smoothing it is what was found, as finely as it was found.
            exact = by.mask >= 1 and track.found is not None
            box[:] = _enlarge(found.masks[track.found].astype(np.float32) if exact
                              else track.belief, mask)
        return Tracked(boxes, np.array([track.label for track in shown], np.int64),
                       np.array([track.score for track in shown], np.float32), masks, found.image,
                       found.class_names, found.colors, found.category_ids,
                       ids=np.array([track.number for track in shown], np.int64))


class Areas:
    """Stands in for :class:`Tracker` where a model finds the area of each class: none is followed.

    Args:
        classes (int): Number of classes.
        smoothing (Smoothing): Has no effect.
    """

    def __init__(self, classes: int, smoothing: Smoothing | None = None) -> None:
        self.classes, self.smoothing = classes, smoothing

    def step(self, frame: np.ndarray, found: Instances, threshold: float) -> Tracked:
        """What to show of the next frame; see :meth:`Tracker.step`."""
        shown = np.flatnonzero(found.scores > threshold)
        masks = np.zeros((len(shown), *frame.shape[:2]), bool)
        boxes = np.zeros((len(shown), 4), np.float32)
        for mask, box, index in zip(masks, boxes, shown, strict=True):
            box[:] = _enlarge(found.masks[index].astype(np.float32), mask)
        return Tracked(boxes, found.labels[shown], found.scores[shown], masks, found.image,
                       found.class_names, found.colors, found.category_ids,
                       ids=np.zeros(len(shown), np.int64))


def _shrink(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks (n, H, W) bool as covered parts of larger pixels, (n, h, w) float32."""
    if masks.shape[1:] == (2 * size[0], 2 * size[1]) and len(masks):
        # One picture of all: halving mixes no rows of neighbours, and is quick.
        tall = cv2.resize(np.negative(masks.view(np.int8)).view(np.uint8).reshape(
            -1, masks.shape[2]), (size[1], len(masks) * size[0]), interpolation=cv2.INTER_AREA)
        return tall.reshape(len(masks), *size).astype(np.float32) / 255
    small = np.zeros((len(masks), *size), np.float32)
    for mask, target in zip(masks, small, strict=True):
        target[:] = cv2.resize(mask.view(np.uint8) * np.uint8(255), size[::-1],
                               interpolation=cv2.INTER_AREA)
    return small / 255


def _enlarge(belief: np.ndarray, mask: np.ndarray) -> tuple[int, int, int, int]:
    """Write where a map (h, w) is above a half into an empty mask (H, W); returns its box."""
    x, y, w, h = cv2.boundingRect((belief > 0.25).view(np.uint8))
    if not w:
        return 0, 0, 0, 0
    # The window that the object is in, and a pixel around it that is outside for sure.
    left, top = max(x - 1, 0), max(y - 1, 0)
    window = (255 * belief[top:y + h + 1, left:x + w + 1]).astype(np.uint8)
    step = np.array(mask.shape[::-1]) / belief.shape[::-1]
    low = np.floor(np.array([left, top]) * step).astype(int)
    high = np.ceil(np.array([left + window.shape[1], top + window.shape[0]]) * step).astype(int)
    high = np.minimum(high, mask.shape[::-1])
    shift = (np.array([left, top]) + 0.5) * step - 0.5 - low  # pixel centres are at halves
    fine = cv2.warpAffine(window, np.array([[step[0], 0, shift[0]], [0, step[1], shift[1]]]),
                          (int(high[0] - low[0]), int(high[1] - low[1])),
                          flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part = mask[low[1]:high[1], low[0]:high[0]]
    np.greater(fine, 127, out=part)
    x, y, w, h = cv2.boundingRect(np.ascontiguousarray(part).view(np.uint8))
    return int(low[0]) + x, int(low[1]) + y, int(low[0]) + x + w, int(low[1]) + y + h
