"""The overlay: classes, opacity, contours, and labels that stay where they are."""
import numpy as np
import pytest

from medseg.live.overlay import Overlay, Style
from medseg.live.tracking import Tracked

NAMES, COLORS = ['bone', 'nerve'], [(220, 20, 60), (0, 200, 80)]


def tracked(*items, size=(240, 320)):
    """Objects of (x1, y1, x2, y2, label, id)."""
    masks = np.zeros((len(items), *size), bool)
    for mask, (x1, y1, x2, y2, *_) in zip(masks, items, strict=True):
        mask[y1:y2, x1:x2] = True
    return Tracked(np.float32([item[:4] for item in items]).reshape(-1, 4),
                   np.int64([item[4] for item in items]),
                   np.full(len(items), 0.87, np.float32), masks,
                   ids=np.int64([item[5] for item in items]))


@pytest.fixture
def overlay():
    return Overlay(NAMES, COLORS)


def grey(size=(240, 320)):
    return np.full((*size, 3), 100, np.uint8)


def test_style(overlay):
    found = tracked((20, 20, 120, 120, 0, 1), (180, 20, 280, 120, 1, 2))
    plain = Style(opacity=0.5, contour=0, labels=False)
    picture = overlay(grey(), found, plain)
    # Half of the frame and half of the colour, as BGR.
    assert picture[70, 70].tolist() == [80, 60, 160] and picture[70, 230].tolist() == [90, 150, 50]
    assert picture[20, 20].tolist() == [80, 60, 160]
    assert (picture[130:] == 100).all()
    hidden = overlay(grey(), found, Style(opacity=0.5, contour=0, labels=False, hidden={0}))
    assert (hidden[:, :150] == 100).all() and (hidden[:, 150:] == picture[:, 150:]).all()
    lined = overlay(grey(), found, Style(opacity=0, contour=6, labels=False))
    assert lined[70, 70].tolist() == [100] * 3 and lined[20, 70].tolist() == [60, 20, 220]
    assert (overlay(grey(), tracked(), Style()) == 100).all()


def places(overlay):
    return {number: sticky._area.round().tolist() for number, sticky in overlay._labels.items()}


def test_labels_follow_and_do_not_tremble(overlay):
    rng = np.random.default_rng(0)
    overlay(grey(), tracked((60, 60, 200, 200, 0, 1)), Style())
    before = places(overlay)[1]
    steps = []
    for _ in range(20):  # the box trembles by two pixels
        x, y = rng.integers(-2, 3, 2)
        overlay(grey(), tracked((60 + x, 60 + y, 200 + x, 200 + y, 0, 1)), Style())
        steps.append(np.abs(np.subtract(places(overlay)[1], before)).max())
    assert max(steps) <= 2
    overlay(grey(), tracked((90, 60, 230, 200, 0, 1)), Style())  # and then moves by 30
    moved = np.subtract(places(overlay)[1], before)
    assert 25 <= moved[0] <= 34 and abs(moved[1]) <= 2


def test_labels_do_not_collide(overlay):
    """Two objects approach until they overlap: no label covers another or leaves the picture."""
    for x in range(200, 20, -6):
        found = tracked((10, 60, 120, 160, 0, 1), (x, 60, x + 110, 160, 1, 2))
        overlay(grey(), found, Style())
        areas = list(places(overlay).values())
        assert len(areas) == 2
        (a, b, c, d), (e, f, g, h) = areas
        assert c <= e or g <= a or d <= f or h <= b
        for x1, y1, x2, y2 in areas:
            assert 0 <= x1 and 0 <= y1 and x2 <= 320 and y2 <= 240
