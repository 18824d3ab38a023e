"""How steady the picture is on a clip whose truth is known, with and without smoothing.

    python -m medseg.live.stability MODEL CLIP.mp4 [CLIP.mp4 ...]

Beside each CLIP.mp4 lies CLIP.truth.jsonl, a line for each frame: ``objects`` with ``number``
(the same in all frames), ``category_name``, ``segmentation`` (compressed run lengths) and
``motion`` (2x3 affine map from the frame before, in pixels), as ``make_synpeld.py --video`` writes.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError
from medseg.runtime import Segmenter
from medseg.runtime.cleanup import FOR_VIEWERS, clean
from medseg.runtime.records import decode_mask, read_lines
from medseg.runtime.video import VideoReader
from medseg.tables import fill, markdown

from .engine import RESULT_SIDE
from .tracking import NO_SMOOTHING, Smoothing, Tracked, Tracker

#: A structure is shown where a mask overlaps it by at least this IoU.
SHOWN = 0.5
#: Frames by which what is shown may be behind, as far as it is looked for.
LAGS = range(4)


@dataclass(frozen=True)
class Truth:
    """A structure that is to be seen in a frame.

    Attributes:
        number: Its identity.
        name: Its class.
        mask: (H, W) bool.
        motion: (2, 3) from the frame before, or None.
    """

    number: int
    name: str
    mask: np.ndarray
    motion: np.ndarray | None


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """IoU of two masks; 0 where both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


@dataclass
class _Seen:
    """What was shown of a structure in the frame before."""

    name: str
    mask: np.ndarray


@dataclass
class Stability:
    """Counts over the frames of clips; call :meth:`update` in their order.

    A structure that is to be seen in a frame and in the one before makes a pair. It flickers where
    it was shown before and is not now, or is shown as another class.
    """

    pairs: int = 0
    vanished: int = 0
    changed: int = 0
    switches: int = 0
    false: int = 0
    frames: int = 0
    overlaps: list[float] = field(default_factory=list)
    neighbours: list[float] = field(default_factory=list)
    behind: dict[int, list[float]] = field(default_factory=lambda: {lag: [] for lag in LAGS})
    _before: dict[int, _Seen] = field(default_factory=dict)
    _visible: set[int] = field(default_factory=set)
    _identity: dict[int, int] = field(default_factory=dict)
    _past: list[dict[int, np.ndarray]] = field(default_factory=list)

    def restart(self) -> None:
        """Another clip begins."""
        self._before, self._visible, self._identity, self._past = {}, set(), {}, []

    def update(self, found: Tracked, truth: Sequence[Truth]) -> None:
        """Take a frame.

        Args:
            found (Tracked): What was shown.
            truth (Sequence[Truth]): What is to be seen.
        """
        self.frames += 1
        names, now, used = found.names, {}, set()
        self._past = [{item.number: item.mask for item in truth}, *self._past][:len(LAGS)]
        for item in truth:
            values = [overlap(mask, item.mask) for mask in found.masks]
            same = [value for value, name in zip(values, names, strict=True) if name == item.name]
            self.overlaps.append(max(same, default=0.0))
            before = self._before.get(item.number)
            self.pairs += item.number in self._visible
            best = int(np.argmax(values)) if values else -1
            if best < 0 or values[best] < SHOWN:
                self.vanished += before is not None
                continue
            used.add(best)
            mask, identity = found.masks[best], int(found.ids[best])
            now[item.number] = _Seen(names[best], mask)
            self.changed += before is not None and before.name != names[best]
            self.switches += self._identity.setdefault(item.number, identity) != identity
            self._identity[item.number] = identity
            if before is not None and item.motion is not None:
                moved = cv2.warpAffine(before.mask.view(np.uint8), item.motion, mask.shape[::-1])
                self.neighbours.append(overlap(moved > 0, mask))
            for lag, past in enumerate(self._past):
                if item.number in past:
                    self.behind[lag].append(overlap(mask, past[item.number]))
        self.false += sum(1 for index, mask in enumerate(found.masks) if index not in used
                          and all(overlap(mask, item.mask) < 0.1 for item in truth))
        self._before, self._visible = now, {item.number for item in truth}

    def summary(self) -> dict[str, float]:
        """``flicker`` (share of pairs), its parts ``vanished`` and ``changed``; ``neighbours``
        (IoU of what is shown in neighbouring frames, moved by the true motion); ``switches`` of
        identity; ``iou`` with the truth of the same class (0 where it is not shown); ``lag``, the
        number of frames ago whose truth what is shown fits best; ``false`` objects a frame."""
        lags = {lag: np.mean(values) for lag, values in self.behind.items() if values}
        pairs = max(self.pairs, 1)
        return dict(
            flicker=(self.vanished + self.changed) / pairs, vanished=self.vanished / pairs,
            changed=self.changed / pairs,
            neighbours=float(np.mean(self.neighbours)) if self.neighbours else 0.0,
            switches=self.switches, iou=float(np.mean(self.overlaps)) if self.overlaps else 0.0,
            lag=max(lags, key=lags.get) if lags else 0, false=self.false / max(self.frames, 1))


def read_truth(clip: Path) -> list[list[Truth]]:
    """The truth beside a clip, frame by frame.

    Raises:
        UserError: There is none, or it is not what it should be.
    """
    path = clip.with_suffix('.truth.jsonl')
    try:
        return [[Truth(item['number'], item['category_name'], decode_mask(item['segmentation']),
                       None if item['motion'] is None else np.float64(item['motion']))
                 for item in line['objects']] for line in read_lines(path)]
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror}); make_synpeld.py --video '
                        'writes it beside the clip') from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path}: is no truth of a clip ({error!r})') from error


def measure(segmenter: Segmenter, clips: Sequence[Path], variants: Mapping[str, Smoothing],
            threshold: float) -> dict[str, dict[str, float]]:
    """Measure variants of smoothing on the same masks.

    Args:
        segmenter (Segmenter): The model.
        clips (Sequence[Path]): See the module.
        variants (Mapping[str, Smoothing]): By name.
        threshold (float): Objects need a higher score to appear.

    Returns:
        dict: By name, :meth:`Stability.summary`.
    """
    results = {name: Stability() for name in variants}
    for clip in clips:
        truth = read_truth(clip)
        trackers = {name: Tracker(len(segmenter.class_names), smoothing)
                    for name, smoothing in variants.items()}
        for result in results.values():
            result.restart()
        segmenter.score_thr = threshold * min(s.doubt for s in variants.values())
        segmenter.postprocess.beyond_box = FOR_VIEWERS.beyond_box
        segmenter.result_side = RESULT_SIDE
        for (frame, found), expected in zip(segmenter.stream(iter(VideoReader(clip))), truth,
                                            strict=False):
            found = clean(found, FOR_VIEWERS)
            for name, tracker in trackers.items():
                results[name].update(tracker.step(frame, found, threshold), expected)
    return {name: result.summary() for name, result in results.items()}


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table of what :func:`measure` gave."""
    header = ['', 'flicker', 'vanishes', 'changes class', 'IoU of neighbours', 'identity switches',
              'IoU with the truth', 'lag, frames', 'false objects per frame']
    return markdown(header, [
        [name, f'{100 * row["flicker"]:.2f} %', f'{100 * row["vanished"]:.2f} %',
         f'{100 * row["changed"]:.2f} %', f'{row["neighbours"]:.4f}', f'{row["switches"]}',
         f'{row["iou"]:.4f}', f'{row["lag"]}', f'{row["false"]:.3f}']
        for name, row in results.items()])


def main(argv=None) -> int:
    """Measure and print; returns 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        prog='python -m medseg.live.stability', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path)
    parser.add_argument('clips', type=Path, nargs='+')
    parser.add_argument('--score-thr', type=float, default=0.25)
    parser.add_argument('--threads', type=int)
    parser.add_argument('--docs', type=Path, help='document whose table is filled')
    parser.add_argument('--table', default='stability', help='name of the table there')
    args = parser.parse_args(argv)
    try:
        results = measure(Segmenter(args.model, threads=args.threads), args.clips,
                          {'each frame by itself': NO_SMOOTHING, 'smoothed': Smoothing()},
                          args.score_thr)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(table(results))
    if args.docs:
        fill(args.docs, args.table, table(results))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
