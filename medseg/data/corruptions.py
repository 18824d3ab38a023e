"""Corruptions of images at five severities, by name: for robustness figures and augmentation.

The common ones are albumentations'; projects register their own, such as the artefacts of
endoscopy. Every one keeps the image's geometry, so that masks stay true.
"""
from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from medseg.errors import UserError

SEVERITIES = (1, 2, 3, 4, 5)
#: (image BGR uint8, severity 1 to 5, generator) to an image of the same shape and type.
Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
#: Corruptions by suite and name.
SUITES: dict[str, dict[str, Corruption]] = {}


def register(suite: str, name: str) -> Callable[[Corruption], Corruption]:
    """Decorator: add a corruption to a suite."""

    def add(function: Corruption) -> Corruption:
        SUITES.setdefault(suite, {})[name] = function
        return function

    return add


def find(names: Sequence[str]) -> dict[str, Corruption]:
    """Corruptions by name, in order; a suite's name stands for all of it.

    Raises:
        UserError: There is no such corruption or suite.
    """
    known = {name: function for suite in SUITES.values() for name, function in suite.items()}
    found: dict[str, Corruption] = {}
    for name in names:
        if name in SUITES:
            found.update(SUITES[name])
        elif name in known:
            found[name] = known[name]
        else:
            raise UserError(f'no corruption {name!r}; there are the suites {", ".join(SUITES)} '
                            f'and {", ".join(known)}')
    return found


def corrupt(image: np.ndarray, name: str, severity: int, key: str = '', seed: int = 0
            ) -> np.ndarray:
    """An image under a corruption, always the same for the same arguments.

    Args:
        image: BGR uint8 (H, W, 3).
        name: Of the corruption.
        severity: 1 to 5; 0 leaves the image as it is.
        key: What tells images apart, such as the file name: each gets its own smoke.
        seed: Of the whole run.

    Raises:
        UserError: There is no such corruption.
        ValueError: Another severity, or no BGR uint8 image.
    """
    if severity not in (0, *SEVERITIES):
        raise ValueError(f'severity {severity} is none of 0 to 5')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'{image.dtype} image of shape {image.shape}; expected uint8 (H, W, 3)')
    function = find([name])[name]
    if severity == 0:
        return image.copy()
    # The severity is not part of the seed: the same smoke grows denser.
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(key.encode())])
    out = function(image, severity, rng)
    assert out.shape == image.shape and out.dtype == np.uint8, name
    return out


def _albumentations(name: str, transform: str, **levels: tuple) -> None:
    """Register a transform of albumentations under the suite ``common``.

    Args:
        name: Of the corruption.
        transform: Class in albumentations.
        levels: Its arguments, each with a value per severity.
    """

    @register('common', name)
    def apply(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
        # It would ask the network for its newest release. Heavy, and most runs need none of it.
        os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')
        import albumentations
        options = {key: values[severity - 1] for key, values in levels.items()}
        chain = albumentations.Compose([getattr(albumentations, transform)(p=1, **options)],
                                       seed=int(rng.integers(2 ** 31)))
        return chain(image=np.ascontiguousarray(image[..., ::-1]))['image'][..., ::-1].copy()


def _both(*values: float) -> tuple[tuple[float, float], ...]:
    """Ranges of one value each: the strength is the severity's, nothing is drawn."""
    return tuple((value, value) for value in values)


_NONE = _both(0, 0, 0, 0, 0)
_albumentations('gaussian_noise', 'GaussNoise', std_range=_both(0.03, 0.06, 0.09, 0.13, 0.18))
_albumentations('shot_noise', 'ShotNoise', scale_range=_both(0.02, 0.05, 0.1, 0.18, 0.3))
_albumentations('iso_noise', 'ISONoise', color_shift=_both(0.05, 0.05, 0.05, 0.05, 0.05),
                intensity=_both(0.2, 0.35, 0.5, 0.65, 0.8))
_albumentations('contrast', 'RandomBrightnessContrast', brightness_limit=_NONE,
                contrast_limit=_both(-0.2, -0.35, -0.5, -0.65, -0.78))
_albumentations('saturation', 'HueSaturationValue', hue_shift_limit=_NONE, val_shift_limit=_NONE,
                sat_shift_limit=_both(-20, -45, -70, -100, -140))
_albumentations('zoom_blur', 'ZoomBlur', max_factor=_both(1.03, 1.06, 1.1, 1.15, 1.2),
                step_factor=_both(0.01, 0.01, 0.01, 0.01, 0.01))
