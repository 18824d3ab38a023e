"""Confidence intervals by resampling images, or patients where they are known, for any figure.

Images of one patient are not independent, so a test set of 60 images of 6 patients says less than
60 images of 60 patients. Where the patients are known whole patients are drawn. A resample is a
weight for each image: how often it was drawn. A figure is whatever can be computed for weighted
images: the mean of a score per image or volume (:func:`mean_figures`), or AP of weighted
detections (:meth:`.instance_matches.Matches.figures`).

The same seed draws the same patients for every model, so the difference of two models' draws leaves
out what they have in common: its interval is narrower than those of the models themselves suggest.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
#: From the weight of each image to figures by name; NaN where one is undefined.
Figures = Callable[[np.ndarray], dict[str, float]]


def mean_figures(values: Mapping[str, np.ndarray]) -> Figures:
    """Means of scores per image, such as the Dice of each volume.

    Args:
        values (Mapping[str, np.ndarray]): By name a score of each image, (images,); NaN where an
            image has none, which is left out of the mean.
    """
    arrays = {name: np.asarray(array, dtype=float) for name, array in values.items()}

    def figures(weights: np.ndarray) -> dict[str, float]:
        found = {}
        for name, array in arrays.items():
            known = ~np.isnan(array)
            total = weights[known].sum()
            found[name] = float(array[known] @ weights[known] / total) if total else np.nan
        return found

    return figures


def image_weights(groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each resample draws each image: (resamples, images), or (0, 0) without an image.

    Args:
        groups, resamples, seed: See :func:`draws`.
    """
    if not len(groups):
        return np.zeros((0, 0), np.int64)
    rng, count = np.random.default_rng(seed), int(groups.max()) + 1
    drawn = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(resamples)]
    return np.array(drawn).reshape(resamples, count)[:, groups]


def draws(figures: Figures, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
          ) -> dict[str, np.ndarray]:
    """Each figure in every resample; groups are drawn with replacement, as many as there are.

    Args:
        figures (Callable): The figures of weighted images.
        groups (np.ndarray): Index of each image's group, (images,); see
            :func:`medseg.data.patients.patient_groups`.
        resamples (int): Number of draws.
        seed (int): Of the draws; the same one draws the same groups for every model.

    Returns:
        dict[str, np.ndarray]: (resamples,) each; NaN where a figure is undefined.
    """
    found = [figures(weights) for weights in image_weights(groups, resamples, seed)]
    return {name: np.array([draw[name] for draw in found]) for name in (found[0] if found else ())}


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """Lower and upper end of a percentile interval; None without a defined value.

    Args:
        values (np.ndarray): Draws of a figure, or differences of two models' draws.
        level (float): Coverage, such as 0.95.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, ((1 - level) / 2 * 100, (1 + level) / 2 * 100))
    return float(low), float(high)


def bootstrap(figures: Figures, groups: np.ndarray, resamples: int = RESAMPLES,
              level: float = LEVEL, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Percentile intervals of figures; those that are undefined in every draw are left out.

    Args:
        figures, groups, resamples, seed: See :func:`draws`.
        level (float): Coverage, such as 0.95.
    """
    found = {name: interval(values, level)
             for name, values in draws(figures, groups, resamples, seed).items()}
    return {name: ends for name, ends in found.items() if ends is not None}
