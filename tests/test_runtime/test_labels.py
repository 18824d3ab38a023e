"""Labels in overlays: none over another, none beyond the rim."""
import cv2
import numpy as np
import pytest

from medseg.runtime.labels import FONT, MARGIN, draw_labels, place_labels, text_size, write_label

NAMES = ('bone', 'nerve', 'ligamentum flavum', 'adipose tissue')


def crowd(size, count, seed):
    """Boxes of all sizes, a few of them beyond the rim, and their texts."""
    rng = np.random.default_rng(seed)
    height, width = size
    corner = rng.uniform(-0.1, 0.9, (count, 2)) * [width, height]
    boxes = np.concatenate([corner, corner + rng.uniform(5, 0.6 * min(size), (count, 2))], 1)
    return [f'{NAMES[i % 4]} {0.99 - i / 200:.2f}' for i in range(count)], boxes


@pytest.mark.parametrize('size', [(480, 640), (200, 333), (1080, 1920), (97, 61), (12, 300)])
@pytest.mark.parametrize('count', [1, 12, 80])
def test_labels_stay_inside_and_apart(size, count):
    for seed in range(3):
        cover = np.zeros(size, int)
        for label in place_labels(*crowd(size, count, seed), size):
            x1, y1, x2, y2 = label.rectangle
            assert 0 <= x1 < x2 <= size[1] and 0 <= y1 < y2 <= size[0]
            cover[y1:y2, x1:x2] += 1
        assert cover.max(initial=0) <= 1


@pytest.mark.parametrize('scale', [0.45, 0.8, 1.5])
def test_ink_keeps_to_the_rectangles(scale):
    canvas = np.full((600, 800, 3), 120, np.uint8)
    texts, boxes = crowd((600, 800), 20, 1)
    placed = draw_labels(canvas, [f'{text} gjpqy|' for text in texts], boxes, scale)
    assert len(placed) >= 5
    inside = np.zeros((600, 800), bool)
    for label in placed:
        x1, y1, x2, y2 = label.rectangle
        inside[y1:y2, x1:x2] = True
        assert (canvas[y1:y2, x1:x2] > 200).any()  # its white letters
    assert (canvas[~inside] == 120).all()


def test_a_lone_label_is_in_the_corner_of_its_box():
    label, = place_labels(['bone 0.90'], np.array([[50, 40, 250, 200]]), (300, 400))
    assert (label.x, label.y, label.index, label.text) == (51, 41, 0, 'bone 0.90')
    assert (label.width, label.height) == text_size('bone 0.90', 0.45)


def test_the_second_of_two_in_one_place_gives_way():
    box = np.array([50, 40, 250, 200])
    first, second = place_labels(['bone 0.90', 'bone 0.80'], np.stack([box, box]), (300, 400))
    assert (first.x, first.y) == (51, 41)
    assert second.y == 40 - second.height  # above the box


def test_near_the_rim():
    label, = place_labels(['adipose tissue 0.90'], np.array([[340, 240, 400, 300]]), (300, 400))
    assert label.x + label.width == 400 and label.y + label.height <= 300


def test_panels_stay_free_specks_and_nothing_get_no_label():
    boxes = np.array([[0, 0, 200, 150], [5, 5, 25, 150], [0, 0, 200, 150]])
    placed = place_labels(['a', 'speck', ''], boxes, (300, 400), taken=[(0, 0, 200, 60)])
    assert [label.text for label in placed] == ['a']
    assert placed[0].y >= 60 or placed[0].x >= 200
    assert place_labels([], np.zeros((0, 4)), (300, 400)) == []


def test_too_long_for_the_picture():
    label, = place_labels(['ligamentum flavum 0.90'], np.array([[0, 0, 60, 80]]), (100, 60))
    assert label.text.endswith('..') and label.width <= 60
    assert place_labels(['bone'], np.array([[0, 0, 60, 8]]), (8, 60)) == []


def test_letters_are_opencvs():
    """Drawn once and laid over a picture is as drawn into it, to a few levels of rounding."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 200, 3), np.uint8)
    mine, theirs = picture.copy(), picture.copy()
    write_label(mine, 'nerve 3 85%', 7, 5, 0.6)
    above = cv2.getTextSize('nerve 3 85%', FONT, 0.6, 3)[0][1] + round(4 * 0.6) + 2
    for ink, line in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(theirs, 'nerve 3 85%', (7 + MARGIN, 5 + above), FONT, 0.6, ink, line,
                    cv2.LINE_AA)
    assert (mine != picture).any() and np.abs(mine.astype(int) - theirs).max() <= 4
    corner = picture.copy()
    write_label(corner, 'nerve', 190, 30, 0.6)  # cut off by the picture's rim
    assert (corner[:28] == picture[:28]).all() and (corner[35:, 192:] != picture[35:, 192:]).any()
