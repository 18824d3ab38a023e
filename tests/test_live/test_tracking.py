"""Identities, and smoothing that does not lag behind motion."""
import numpy as np
import pytest
from live_parts import texture

from medseg.live.tracking import NO_SMOOTHING, Smoothing, Tracker
from medseg.runtime.postprocess import Instances

SIZE = (180, 240)


def instances(*items):
    """Instances of (x1, y1, x2, y2, label, score)."""
    masks = np.zeros((len(items), *SIZE), bool)
    for mask, (x1, y1, x2, y2, *_) in zip(masks, items, strict=True):
        mask[y1:y2, x1:x2] = True
    boxes = np.float32([item[:4] for item in items]).reshape(-1, 4)
    return Instances(boxes, np.int64([item[4] for item in items]),
                     np.float32([item[5] for item in items]), masks)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def moving(count, step):
    """(frame, offset): a picture that moves to the left by ``step`` pixels a frame."""
    wide = texture(SIZE[0], SIZE[1] + step * count)
    return [(wide[:, step * i:step * i + SIZE[1]].copy(), step * i) for i in range(count)]


def test_identities_stay_and_are_not_given_twice():
    tracker = Tracker(3, NO_SMOOTHING)
    for frame, offset in moving(12, 4):
        left, right = 60 - offset, 180 - offset
        items = [(max(left, 0), 40, left + 50, 100, 0, 0.9), (right, 40, right + 40, 100, 0, 0.8)]
        # The order of what is found changes from frame to frame.
        found = tracker.step(frame, instances(*items[::-1 if offset % 8 else 1]), 0.5)
        assert found.ids.tolist() == [1, 2] and found.scores.tolist() == [
            pytest.approx(0.9), pytest.approx(0.8)]
        assert (found.masks[0] == instances(items[0]).masks[0]).all()
    tracker.reset()
    assert tracker.step(frame, instances(items[0]), 0.5).ids.tolist() == [3]


def test_a_missing_frame_is_bridged():
    """Found in every frame but two: without smoothing it vanishes twice, with it never."""
    seen = {}
    for name, smoothing in (('off', NO_SMOOTHING), ('on', Smoothing())):
        tracker, seen[name] = Tracker(2, smoothing), []
        for number, (frame, offset) in enumerate(moving(12, 3)):
            items = [] if number in (5, 8) else [(100 - offset, 50, 160 - offset, 120, 1, 0.8)]
            found = tracker.step(frame, instances(*items), 0.5)
            seen[name].append(len(found))
            truth = instances((100 - offset, 50, 160 - offset, 120, 1, 0.8)).masks[0]
            if len(found):
                assert found.ids.tolist() == [1 + (name == 'off') * (
                    (number > 5) + (number > 8))]
                assert iou(found.masks[0], truth) > 0.93  # carried along, not left behind
    assert seen['off'] == [1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1] and seen['on'] == [1] * 12


def test_smoothing_does_not_lag():
    """A mask that trembles by three pixels on a picture that moves by five a frame."""
    rng = np.random.default_rng(0)
    scores, trembling = {}, rng.integers(-3, 4, (16, 4))
    for name, smoothing in (('off', NO_SMOOTHING), ('on', Smoothing())):
        tracker, overlaps = Tracker(1, smoothing), []
        for (frame, offset), shift in zip(moving(16, 5), trembling, strict=True):
            box = np.array([110 - offset, 60, 180 - offset, 130])
            x1, y1, x2, y2 = np.maximum(box + shift, 0)
            found = tracker.step(frame, instances((x1, y1, x2, y2, 0, 0.9)), 0.5)
            truth = instances((max(box[0], 0), *box[1:], 0, 0.9)).masks[0]
            overlaps.append(iou(found.masks[0], truth))
        scores[name] = np.mean(overlaps[2:])
    assert scores['on'] > scores['off'] + 0.01 > 0.9


def test_class_and_threshold_do_not_blink():
    frame = texture(*SIZE)
    tracker = Tracker(3, Smoothing())
    labels = [1, 1, 1, 2, 1, 1, 2, 1]
    scores = [0.6, 0.45, 0.55, 0.48, 0.6, 0.42, 0.5, 0.6]
    shown = [tracker.step(frame, instances((50, 50, 120, 120, label, score)), 0.5)
             for label, score in zip(labels, scores, strict=True)]
    assert [len(found) for found in shown] == [0] + [1] * 7  # shown when it was found twice
    assert [found.labels.tolist() for found in shown[1:]] == [[1]] * 7
    # What it has become for good is taken over, with its identity.
    for _ in range(12):
        found = tracker.step(frame, instances((50, 50, 120, 120, 2, 0.9)), 0.5)
    assert found.labels.tolist() == [2] and found.ids.tolist() == [1]


def test_what_is_gone_goes():
    frame = texture(*SIZE)
    tracker = Tracker(1, Smoothing(patience=4))
    for _ in range(5):
        tracker.step(frame, instances((50, 50, 120, 120, 0, 0.9)), 0.5)
    lengths = [len(tracker.step(frame, instances(), 0.5)) for _ in range(6)]
    assert lengths[0] == 1 and lengths[-1] == 0 and lengths == sorted(lengths, reverse=True)
    # A cut to another size begins anew.
    tracker.step(frame, instances((50, 50, 120, 120, 0, 0.9)), 0.5)
    small = Instances(np.float32([[5, 5, 50, 50]]), np.int64([0]), np.float32([0.95]),
                      np.ones((1, 60, 70), bool))
    assert tracker.step(texture(60, 70), small, 0.5).masks.shape == (1, 60, 70)


def test_nothing_at_all():
    tracker = Tracker(2)
    for _ in range(3):
        found = tracker.step(texture(*SIZE), instances(), 0.5)
        assert len(found) == 0 and found.masks.shape == (0, *SIZE) and found.ids.shape == (0,)


def test_masks_smaller_than_the_frame():
    """An object of a third of the resolution comes out where it is, smoothed or not."""
    frame = texture(*SIZE)
    for smoothing in (NO_SMOOTHING, Smoothing(proof=1)):
        tracker = Tracker(1, smoothing)
        small = Instances(np.float32([[20, 15, 50, 40]]), np.int64([0]), np.float32([0.9]),
                          np.zeros((1, 60, 80), bool))
        small.masks[0, 15:40, 20:50] = True
        small.masks[0, 50:, 70:] = True  # and in the corner
        for _ in range(2):
            found = tracker.step(frame, small, 0.5)
        truth = np.zeros(SIZE, bool)
        truth[45:120, 60:150] = truth[150:, 210:] = True
        assert found.masks.shape == (1, *SIZE) and iou(found.masks[0], truth) > 0.98
        assert np.abs(found.boxes[0] - [60, 45, 240, 180]).max() <= 1
