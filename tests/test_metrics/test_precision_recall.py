"""Precision and recall at the best-F1 confidence: by hand, and against recorded YOLO figures."""
import numpy as np
import pytest

from medseg.metrics.precision_recall import Detections, best_f1_point, interpolated_ap, smooth


def detections(scores, hits, targets):
    return Detections(np.array(scores, dtype=float), np.array(hits, dtype=bool), targets)


def random_classes(seed):
    """Four classes of 20 to 120 targets, the third without any; hits tend to score higher."""
    rng = np.random.default_rng(seed)
    classes = []
    for label in range(4):
        targets = 0 if label == 2 else 20 + int(100 * rng.random())
        hits = np.zeros(2 * targets + 30, dtype=bool)
        hits[:int(targets * (0.5 + 0.5 * rng.random()))] = label != 2
        scores = 0.6 * rng.random(hits.size) + 0.4 * hits * rng.random(hits.size)
        classes.append(Detections(scores, hits, targets))
    return classes


#: seed, precision, recall, AP50
GOLDEN = (
    (0, 0.46744780, 0.51758802, 0.49212868),
    (1, 0.46251796, 0.73537010, 0.61558144),
    (2, 0.28552730, 0.54138869, 0.33266642),
    (3, 0.38069101, 0.64622668, 0.47276940),
    (4, 0.37298248, 0.50771708, 0.40986769),
)


def test_hand_made_curve():
    """F1 is 2/5 with one hit, 2/3 with two, 4/7 with the miss, 3/4 with all four detections."""
    point = best_f1_point([detections([0.9, 0.3, 0.8, 0.7], [1, 1, 1, 0], targets=4)])
    assert 0 <= point.confidence <= 0.3
    assert point.precision == pytest.approx([0.75])
    assert point.recall == pytest.approx([0.75])
    assert point.f1 == pytest.approx([0.75])


def test_one_confidence_for_all_classes():
    """Class one is best at any threshold to 0.9, class two only above 0.5, where its misses end."""
    first = detections([0.9] * 4, [1] * 4, targets=4)
    second = detections([0.9] * 2 + [0.5] * 8, [1] * 2 + [0] * 8, targets=2)
    point = best_f1_point([first, second])
    assert 0.5 < point.confidence <= 0.9
    assert point.recall == pytest.approx([1, 1])
    assert point.precision[0] == 1
    assert point.precision[1] > 0.9


def test_absent_and_unfound_classes():
    found = detections([0.8, 0.6], [1, 1], targets=2)
    unfound = detections([], [], targets=3)
    absent = detections([0.9, 0.9], [0, 0], targets=0)
    point = best_f1_point([found, unfound, absent])
    assert point.precision.tolist() == [1, 0, -1]
    assert point.recall.tolist() == [1, 0, -1]
    assert (point.mean('precision'), point.mean('recall')) == (0.5, 0.5)
    nothing = best_f1_point([absent])
    assert nothing.mean('precision') == nothing.mean('ap50') == -1
    assert best_f1_point([unfound]).mean('f1') == 0


def test_interpolated_ap():
    """The last of 101 recalls has precision 0, so half a step is lost: 0.995 where all is found."""
    assert interpolated_ap(np.array([1.0]), np.array([1.0])) == pytest.approx(0.995)
    # One hit of two targets: precision 1 up to recall 0.5, where the trapezoid falls.
    assert interpolated_ap(np.array([1.0]), np.array([0.5])) == pytest.approx(0.495)
    # A miss, then a hit: the curve is 1 at recall 0 only, then 1/2 to the end.
    assert interpolated_ap(np.array([0.0, 0.5]), np.array([0.0, 1.0])) == pytest.approx(0.4975)


def test_smoothing_repeats_the_edges():
    assert smooth(np.array([0.0, 3.0, 0.0]), width=3) == pytest.approx([1, 1, 1])
    assert smooth(np.array([6.0, 0.0, 0.0, 0.0]), width=3) == pytest.approx([4, 2, 0, 0])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match='equal length'):
        detections([0.5, 0.6], [1], targets=1)


@pytest.mark.parametrize(('seed', 'precision', 'recall', 'ap50'), GOLDEN)
def test_recorded_yolo_figures(seed, precision, recall, ap50):
    """Means over the classes that ``ap_per_class`` of Ultralytics 8.4.190 gave on the same hits."""
    point = best_f1_point(random_classes(seed))
    assert point.mean('precision') == pytest.approx(precision, abs=1e-6)
    assert point.mean('recall') == pytest.approx(recall, abs=1e-6)
    assert point.mean('ap50') == pytest.approx(ap50, abs=1e-6)
