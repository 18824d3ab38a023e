"""How many patients a difference needs to be seen, from its spread over patients.

For a figure that is a mean over patients the spread is that of the patients' differences. AP is
none; there the jackknife's pseudo-values stand in: n D - (n - 1) D_i, D being the difference of all
n patients and D_i that without patient i. Their mean is about D, and their standard deviation over
the root of n is its standard error (Quenouille 1956; Efron and Stein 1981).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize, stats

POWER = 0.8
LEVEL = 0.05
MOST = 100_000
SIMULATIONS = 1000
#: Random sign flips of each simulated study.
FLIPS = 499


def pseudo_values(figure: Callable[[np.ndarray], float], groups: np.ndarray) -> np.ndarray:
    """Jackknife pseudo-values of a figure, leaving out one patient at a time.

    Args:
        figure (Callable): From the weight of each image, (images,), to the figure.
        groups (np.ndarray): Index of each image's patient, (images,).

    Returns:
        np.ndarray: (patients,); without those who leave the figure undefined.
    """
    count = int(groups.max(initial=-1)) + 1
    whole = figure(np.ones(len(groups), int))
    without = np.array([figure((groups != g).astype(int)) for g in range(count)], dtype=float)
    found = count * whole - (count - 1) * without
    return found[~np.isnan(found)]


def t_power(patients: float, difference: float, sd: float, level: float = LEVEL) -> float:
    """Power of a two-sided paired t test.

    Args:
        patients (float): At least 2.
        difference, sd (float): Mean and standard deviation of the patients' differences, in one
            unit; ``sd`` above 0.
        level (float): Of significance.
    """
    shift, freedom = abs(difference) / sd * np.sqrt(patients), patients - 1
    limit = stats.t.ppf(1 - level / 2, freedom)
    with np.errstate(all='ignore'):
        upper, lower = (stats.nct.sf(limit, freedom, shift), stats.nct.cdf(-limit, freedom, shift))
    # SciPy's noncentral t gives NaN where the shift is so large that nothing is left below.
    return float(np.nan_to_num(upper, nan=1.0) + np.nan_to_num(lower, nan=0.0))


def patients_needed(difference: float, sd: float, power: float = POWER, level: float = LEVEL
                    ) -> int | None:
    """Fewest patients with which a difference is found with that power; None above :data:`MOST`.

    Args:
        difference, sd, level: See :func:`t_power`; a difference of 0 is never found.
        power (float): In (0, 1).
    """
    if not difference or t_power(MOST, difference, sd, level) < power:
        return None
    if t_power(2, difference, sd, level) >= power:
        return 2
    exact = optimize.brentq(lambda n: t_power(n, difference, sd, level) - power, 2, MOST,
                            xtol=1e-6)
    return int(np.ceil(exact - 1e-6))


def simulated_power(pilot: Sequence[float], difference: float, patients: int,
                    level: float = LEVEL, simulations: int = SIMULATIONS, seed: int = 0) -> float:
    """Share of simulated studies in which a sign-flip test finds the difference.

    Each study draws its patients from the pilot's, moved so that their mean is the difference: the
    pilot's own shape, not a normal curve.

    Args:
        pilot (Sequence[float]): Differences (or pseudo-values) of the pilot's patients.
        difference (float): That is to be found; 0 gives the rate of false findings.
        patients (int): Of each study.
        level (float): Of the two-sided test.
        simulations (int): Studies.
        seed (int): Of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    pilot = np.asarray(pilot, dtype=float)
    studies = rng.choice(pilot - pilot.mean() + difference, (patients, simulations))
    seen = np.abs(studies.mean(axis=0))
    signs = rng.choice((-1.0, 1.0), (FLIPS, patients))
    at_least = (np.abs(signs @ studies / patients) >= seen - 1e-12).sum(axis=0)
    return float(((at_least + 1) / (FLIPS + 1) <= level).mean())
