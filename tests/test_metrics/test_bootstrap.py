"""Intervals of any figure, over images or whole patients."""
import numpy as np
import pytest

from medseg.data.patients import patient_groups, patients
from medseg.metrics.bootstrap import bootstrap, draws, interval, mean_figures


def test_patients_are_drawn_whole():
    names = ['p1_01.png', 'p1_02.png', 'p02_01.png']
    assert patients([dict(file_name=n) for n in names]) == ['p1', 'p1', 'p02']
    assert patients([dict(file_name='a.png', patient=7), dict(file_name='b.png', patient=7),
                     dict(file_name='c.png', patient=9)]) == ['7', '7', '9']
    assert patients([dict(file_name='a.png'), dict(file_name='b.png')]) is None
    # every image its own patient: nothing to group
    assert patients([dict(file_name=f'p{i}_1.png') for i in range(3)]) is None


def test_what_is_drawn():
    groups, unit = patient_groups([dict(file_name='a', patient=name) for name in (2, 1, 2)])
    assert groups.tolist() == [1, 0, 1] and unit == 'patient'
    groups, unit = patient_groups([dict(file_name=name) for name in 'abc'])
    assert groups.tolist() == [0, 1, 2] and unit == 'image'


def test_dice_of_volumes():
    """Two volumes: each draw has one twice or both once, with probabilities 1/4, 1/2, 1/4."""
    figures = mean_figures({'dice': np.array([0.6, 1.0]), 'hd95': np.array([np.nan, 3.0])})
    assert figures(np.array([1, 1])) == {'dice': pytest.approx(0.8), 'hd95': 3}
    assert figures(np.array([3, 1])) == {'dice': pytest.approx(0.7), 'hd95': 3}
    found = draws(figures, np.arange(2), resamples=2000)
    values, counts = np.unique(found['dice'].round(6), return_counts=True)
    assert values.tolist() == [0.6, 0.8, 1.0]
    assert counts / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.05)
    # where the volume with a distance was not drawn there is none
    assert np.isnan(found['hd95']).mean() == pytest.approx(0.25, abs=0.05)
    assert bootstrap(figures, np.arange(2), resamples=2000) == {
        'dice': (pytest.approx(0.6), pytest.approx(1.0)), 'hd95': (3.0, 3.0)}


def test_patients_widen_the_interval():
    """Ten images each of four patients, alike within a patient: images alone promise too much."""
    scores = np.repeat([0.5, 0.6, 0.7, 0.8], 10)
    figures = mean_figures({'dice': scores})
    by_image = bootstrap(figures, np.arange(40))['dice']
    by_patient = bootstrap(figures, np.repeat(np.arange(4), 10))['dice']
    assert by_patient[1] - by_patient[0] > 2.5 * (by_image[1] - by_image[0])


def test_a_difference_has_a_narrower_interval():
    rng = np.random.default_rng(0)
    first = rng.uniform(0.3, 0.9, 50)
    one, other = (draws(mean_figures({'dice': first + shift}), np.arange(50))['dice']
                  for shift in (0, 0.01))
    low, high = interval(other - one)
    assert low == pytest.approx(0.01) and high == pytest.approx(0.01)
    low, high = interval(one)
    assert high - low > 0.05


def test_nothing_to_draw():
    assert draws(mean_figures({'dice': np.zeros(0)}), np.zeros(0, int)) == {}
    assert bootstrap(mean_figures({'dice': np.full(3, np.nan)}), np.arange(3)) == {}
