"""p values by exchanging models patient by patient, Holm's correction, seeds in a bootstrap."""
import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_rel

from medseg.metrics.permutation import exchange_p, holm, over_seeds, sign_flip_p


@pytest.mark.parametrize(('differences', 'p'), [
    ([1, 2, 3, 4, 5], 2 / 32),  # all favourable: this exchange and its mirror are the extremes
    ([-1, -2, -3, -4, -5], 2 / 32),
    ([1, 2, 3, 4, 5, 6], 2 / 64),
    ([2, 1], 2 / 4),
    ([1, -1], 1),
    ([4, -1], 1),  # 1.5 of -2.5, -1.5, 1.5, 2.5: two of four on each side
    ([1, 2, np.nan, 3], 2 / 8),
    ([], 1),
])
def test_small_numbers_by_hand(differences, p):
    assert sign_flip_p(differences) == pytest.approx(p)


def test_equals_scipys_own_test_of_paired_samples():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 9), rng.normal(0, 1, 9)
    theirs = permutation_test((a, b), lambda x, y, axis: (x - y).mean(axis),
                              permutation_type='samples', vectorized=True, n_resamples=np.inf)
    assert sign_flip_p(a - b) == pytest.approx(theirs.pvalue)
    # many patients: random exchanges, near the t test
    a, b = rng.normal(0.35, 1, 60), rng.normal(0, 1, 60)
    assert sign_flip_p(a - b, 999) == pytest.approx(ttest_rel(a, b).pvalue, abs=0.03)


def test_false_findings_are_as_rare_as_promised():
    rng = np.random.default_rng(1)
    # six patients: p takes the values 2/64, 4/64, ...; at 4/64 a share of 0.0625 is expected
    found = [sign_flip_p(rng.normal(0, rng.uniform(0.5, 3), 6)) for _ in range(400)]
    rate = np.mean(np.array(found) <= 4 / 64)
    assert 0.03 < rate < 0.1


def test_figures_that_are_no_means():
    # the larger of two patients' values: exchanging one patient decides it
    first, second = np.array([5.0, 1.0]), np.array([2.0, 0.0])

    def difference(swapped):
        return np.where(swapped, second, first).max() - np.where(swapped, first, second).max()

    assert exchange_p(difference, 2) == 1  # +3, +3, -3, -3
    assert exchange_p(lambda swapped: 0.0, 3) == 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_seeds_widen_the_interval():
    patients = np.zeros(4000)
    found = over_seeds([patients - 1, patients + 1])
    # two seeds drawn twice: -1, 0, 0 or 1
    assert sorted(set(found)) == [-1, 0, 1]
    assert np.mean(found == 0) == pytest.approx(0.5, abs=0.03)
    assert (over_seeds([patients + 3]) == 3).all()
