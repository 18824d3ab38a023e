"""Boundary IoU and normalised surface distance of squares, worked out by hand."""
import numpy as np
import pytest

from medseg.metrics.boundary import band_width, boundary_iou
from medseg.metrics.surface import normalised_surface_distance


def rectangle(x, y, width, height):
    mask = np.zeros((100, 100), dtype=bool)
    mask[y:y + height, x:x + width] = True
    return mask


SQUARE = rectangle(30, 30, 20, 20)


def test_band_width_is_two_percent_of_the_diagonal():
    assert band_width(100, 100) == 3  # 0.02 * 141.4 = 2.83
    assert band_width(720, 1080) == 26  # 0.02 * 1298.0 = 25.96
    assert band_width(10, 10) == 1


def test_boundary_iou_of_a_shifted_square():
    """Each band: 20*20 - 14*14 = 204 px. Shifted by 2 the squares share 18*20 = 360 px, of which
    the holes (14 wide, together 16 wide) take 16*14 = 224: 136 shared, 2*204 - 136 = 272 in all."""
    assert boundary_iou(SQUARE, rectangle(32, 30, 20, 20)) == pytest.approx(136 / 272, abs=0)


def test_boundary_iou_of_a_square_inside_a_larger_one():
    """Bands of 3 px; a 14 px square in the middle of a 20 px one starts where the band ends."""
    assert boundary_iou(SQUARE, rectangle(33, 33, 14, 14)) == 0
    # 16 px in the middle: its outermost 1 px ring (60 px) lies in the larger one's band;
    # bands 204 and 16*16 - 10*10 = 156.
    assert boundary_iou(SQUARE, rectangle(32, 32, 16, 16)) == pytest.approx(60 / 300)


def test_boundary_iou_extremes():
    assert boundary_iou(SQUARE, SQUARE) == 1
    assert boundary_iou(SQUARE, rectangle(60, 60, 20, 20)) == 0
    empty = np.zeros_like(SQUARE)
    assert boundary_iou(SQUARE, empty) == boundary_iou(empty, empty) == 0
    with pytest.raises(ValueError, match='differ'):
        boundary_iou(SQUARE, SQUARE[:50])


def test_image_edge_is_a_boundary():
    """A 10 px square in a corner has its whole 3 px band: 100 - 4*4 = 84 px, like one inside."""
    corner = boundary_iou(rectangle(0, 0, 10, 10), rectangle(0, 0, 4, 10))
    # The 4 px wide one is all band (40 px); of it rows 0-2 and 7-9 and columns 0-2 are shared:
    # 40 - 4 (column 3, rows 3 to 6) = 36.
    assert corner == pytest.approx(36 / (84 + 40 - 36))


#: A 20 px square's contour runs through 80 corners of pixels: 76 of length 1, 4 cut at √½.
LENGTH = 76 + 4 * 0.5 ** 0.5


def test_nsd_of_a_square_shifted_by_five():
    """Within 3 px of the other contour lie, of top and bottom edge, 18 corners and the inner end
    of the edge, and of the inner side edge 3 next to either end."""
    assert normalised_surface_distance(SQUARE, rectangle(35, 30, 20, 20)) == pytest.approx(
        (2 * (18 + 0.5 ** 0.5) + 6) / LENGTH)


def test_nsd_at_the_edge_of_the_image():
    """A square in the corner has the same contour as one inside: the image's edge is outside."""
    corner, inside = rectangle(0, 0, 10, 10), rectangle(40, 40, 10, 10)
    found = [normalised_surface_distance(mask, grown, 1)
             for mask, grown in ((corner, rectangle(0, 0, 12, 10)),
                                 (inside, rectangle(40, 40, 12, 10)))]
    assert found[0] == found[1] and 0.5 < found[0] < 1


def test_nsd_in_millimetres_of_a_volume():
    """Slices 4 mm apart: a cube moved by one slice is 4 mm off, by one pixel 0.5 mm."""
    cube = np.zeros((12, 20, 20), bool)
    cube[4:8, 5:15, 5:15] = True
    across, along = np.roll(cube, 1, axis=0), np.roll(cube, 1, axis=1)
    spacing = (4.0, 0.5, 0.5)
    assert normalised_surface_distance(cube, along, 0.5, spacing) == 1
    assert normalised_surface_distance(cube, across, 0.5, spacing) < 0.9
    assert normalised_surface_distance(cube, across, 4, spacing) == 1


def test_nsd_tolerance_is_inclusive():
    shifted = rectangle(33, 30, 20, 20)
    assert normalised_surface_distance(SQUARE, shifted, 3) == 1
    assert normalised_surface_distance(SQUARE, shifted, 2.9) < 1
    assert normalised_surface_distance(SQUARE, shifted, 0) < 0.5


def test_nsd_extremes():
    empty = np.zeros_like(SQUARE)
    assert normalised_surface_distance(SQUARE, SQUARE) == 1
    assert normalised_surface_distance(SQUARE, rectangle(70, 70, 20, 20)) == 0
    assert normalised_surface_distance(empty, empty) == 1
    assert normalised_surface_distance(SQUARE, empty) == 0
    with pytest.raises(ValueError, match='negative'):
        normalised_surface_distance(SQUARE, SQUARE, -1)
    with pytest.raises(ValueError, match='differ'):
        normalised_surface_distance(SQUARE, SQUARE[:50])
