"""Corruptions: the same for the same key, stronger with severity, inside the field of view."""
import cv2
import numpy as np
import pytest

import projects.lmsfa.datasets.synpeld.corruptions as endoscopy
from medseg.data.corruptions import SEVERITIES, SUITES, corrupt, find
from medseg.data.transforms import RandomCorruption
from medseg.errors import UserError
from projects.lmsfa.datasets.synpeld import render_frame

NAMES = [name for suite in SUITES.values() for name in suite]


@pytest.fixture(scope='module')
def frame():
    return render_frame(0, 3, 2, (270, 180), 10)[0]


def change(image, name, severity, key='a'):
    return np.abs(corrupt(image, name, severity, key).astype(int) - image).mean()


def test_both_suites_are_there():
    assert set(SUITES) == {'common', 'endoscopy'}
    assert {'glare', 'smoke', 'blood', 'irrigation', 'bubbles', 'bone_dust', 'fogged_lens',
            'dirty_lens', 'defocus', 'motion_blur', 'vignette', 'exposure', 'colour_cast',
            'low_resolution', 'compression'} == set(SUITES['endoscopy'])


@pytest.mark.parametrize('name', NAMES)
def test_deterministic_and_rising(frame, name):
    before = frame.copy()
    assert np.array_equal(corrupt(frame, name, 3, 'a'), corrupt(frame, name, 3, 'a'))
    assert np.array_equal(frame, before), 'the input was changed'
    assert np.array_equal(corrupt(frame, name, 0, 'a'), frame)
    # Over a few images: one draw of glare may fall beside the lit tissue.
    means = [np.mean([change(frame, name, s, key) for key in 'abc']) for s in SEVERITIES]
    assert means[0] > 0 and all(a < b * 1.02 for a, b in zip(means, means[1:], strict=False))
    assert means[-1] > 1.25 * means[0]


@pytest.mark.parametrize('name', ['smoke', 'blood', 'glare', 'bubbles', 'motion_blur'])
def test_each_image_has_its_own(frame, name):
    assert not np.array_equal(corrupt(frame, name, 4, 'a'), corrupt(frame, name, 4, 'b'))
    assert not np.array_equal(corrupt(frame, name, 4, 'a'), corrupt(frame, name, 4, 'a', seed=1))


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('shape', [(1, 1), (5, 70), (64, 33)])
def test_any_size(name, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for severity in (1, 5):
        assert corrupt(image, name, severity).shape == image.shape


def test_the_black_around_an_endoscope_s_field_stays_black(frame):
    around = cv2.erode((endoscopy.field_of_view(frame) == 0).astype(np.uint8), np.ones((9, 9)))
    assert around.mean() > 0.2
    for name in ('smoke', 'fogged_lens', 'irrigation', 'exposure', 'glare'):
        assert np.array_equal(corrupt(frame, name, 5, 'a')[around > 0], frame[around > 0])


def test_dark_images_with_bright_objects_are_all_field():
    cells = np.zeros((80, 80, 3), np.uint8)
    for x, y in ((20, 20), (55, 30), (40, 60)):
        cv2.circle(cells, (x, y), 6, (200, 200, 200), -1)
    assert endoscopy.field_of_view(cells).all()
    assert endoscopy.field_of_view(np.zeros((8, 8, 3), np.uint8)).all()


def test_suites_and_names_are_found():
    assert list(find(['smoke', 'common'])) == ['smoke', *SUITES['common']]
    with pytest.raises(UserError, match='no corruption'):
        find(['fire'])


@pytest.mark.parametrize('severity', [-1, 6, 2.5])
def test_other_severities_are_refused(frame, severity):
    with pytest.raises(ValueError, match='severity'):
        corrupt(frame, 'smoke', severity)


def test_augmentation_follows_numpy_s_seed_and_leaves_out(frame):
    transform = RandomCorruption(['endoscopy'], prob=1.0, leave_out=('smoke', 'glare'))
    assert 'smoke' not in transform.names and 'blood' in transform.names
    found = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        found.append(transform(dict(img=frame))['img'])
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    never = RandomCorruption(['endoscopy'], prob=0.0)
    assert never(dict(img=frame))['img'] is frame
