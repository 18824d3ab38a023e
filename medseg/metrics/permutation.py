"""Whether a paired difference could be chance: permutations of patients, and Holm's correction.

Under the null hypothesis two models are exchangeable, so for each patient their predictions may
change places. The difference that was seen is compared with those of all such exchanges, or of a
random sample where there are too many (``scipy.stats.permutation_test``). Two-sided p values are
twice the smaller tail, so with n patients none can be below 2 / 2^n: five patients, however clear,
give 0.0625, six 0.03125.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import permutation_test

PERMUTATIONS = 2000


def exchange_p(difference: Callable[[np.ndarray], float], patients: int,
               permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Two-sided p of a difference of two models.

    Args:
        difference (Callable): From the patients whose models change places, bool (patients,), to
            the difference of the figure.
        patients (int): How many there are.
        permutations (int): All 2^patients exchanges where there are no more of them, else so many
            random ones.
        seed (int): Of the random ones.

    Returns:
        float: In (0, 1]; 1 without a patient.
    """
    if not patients:
        return 1.0
    first = np.arange(patients)

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        return difference(np.asarray(a) >= patients)

    found = permutation_test((first, first + patients), statistic, permutation_type='samples',
                             vectorized=False, n_resamples=max(1, permutations),
                             rng=np.random.default_rng(seed))
    return float(found.pvalue)


def sign_flip_p(differences: Sequence[float], permutations: int = PERMUTATIONS, seed: int = 0
                ) -> float:
    """Two-sided p of the mean of paired differences, one per patient; NaN are left out.

    Args:
        differences (Sequence[float]): Of each patient's score.
        permutations, seed: See :func:`exchange_p`.
    """
    values = np.asarray(differences, dtype=float)
    values = values[~np.isnan(values)]
    return exchange_p(lambda swapped: float(np.where(swapped, -values, values).mean()),
                      len(values), permutations, seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): the chance of any false finding stays below the level.

    Args:
        p_values (Sequence[float]): All that are looked at.

    Returns:
        list[float]: Corrected, in the same order, at most 1.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind='stable')
    steps = (len(p_values) - np.arange(len(p_values))) * p_values[order]
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def over_seeds(draws: Sequence[np.ndarray], seed: int = 0) -> np.ndarray:
    """The second level of a hierarchical bootstrap: seeds of the training, after patients.

    Args:
        draws (Sequence[np.ndarray]): A figure in each draw of patients, (resamples,), by seed of
            the training; the patients of a draw are the same for all.
        seed (int): Of this drawing; models whose seeds have nothing in common get different ones.

    Returns:
        np.ndarray: (resamples,), each the mean over as many seeds, drawn with replacement.
    """
    stack = np.array(draws, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(stack), stack.shape)
    return np.take_along_axis(stack, picks, axis=0).mean(axis=0)
