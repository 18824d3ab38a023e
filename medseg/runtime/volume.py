"""Exported 3-D models on whole volumes: a sliding window in numpy, without torch."""
from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .metadata import KEY, VERSION, MetadataError
from .session import open_session

KIND = 'volume'
#: Of the window's side, the standard deviation of its weights.
SIGMA = 0.125


def window_weights(size: Sequence[int]) -> np.ndarray:
    """Gaussian weights of a window, (D, H, W) float32, at least 0.001 of their greatest value.

    The middle of a window has seen its surroundings, its rim has not.
    """
    weights = np.ones((1, 1, 1))
    for axis, n in enumerate(size):
        distance = np.arange(n) - (n - 1) / 2
        line = np.exp(-distance ** 2 / (2 * (SIGMA * n) ** 2))
        weights = weights * line.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.maximum(weights, max(weights.min(), 1e-3)).astype(np.float32)


def window_places(shape: Sequence[int], size: Sequence[int], overlap: float
                  ) -> Iterator[tuple[int, int, int]]:
    """First voxels of windows that cover a volume of at least their size.

    Args:
        shape: Of the volume.
        size: Of a window.
        overlap: Of neighbours, as a share of the side, from 0 to below 1.
    """
    starts = []
    for n, side in zip(shape, size, strict=True):
        step = max(1, int(side * (1 - overlap)))
        count = math.ceil(max(n - side, 0) / step) + 1
        starts.append([min(i * step, n - side) for i in range(count)])
    yield from itertools.product(*starts)


def slide(volume: np.ndarray, run: Callable[[np.ndarray], np.ndarray], size: Sequence[int],
          overlap: float = 0.5, progress: Callable[[int, int], None] | None = None
          ) -> np.ndarray:
    """Blend a network's outputs over a volume.

    Args:
        volume: (C, D, H, W) float32; smaller ones are padded with 0 around.
        run: A window (1, C, d, h, w) to scores (1, K, d, h, w).
        size: (d, h, w).
        overlap: See :func:`window_places`.
        progress: Called with (windows done, windows in all).

    Returns:
        np.ndarray: (K, D, H, W) float32.
    """
    short = [max(side - n, 0) for n, side in zip(volume.shape[1:], size, strict=True)]
    padding = [(s // 2, s - s // 2) for s in short]
    padded = np.pad(volume, [(0, 0), *padding])
    weights, total, scores = window_weights(size), np.zeros(padded.shape[1:], np.float32), None
    places = list(window_places(padded.shape[1:], size, overlap))
    for done, place in enumerate(places, start=1):
        window = tuple(slice(p, p + s) for p, s in zip(place, size, strict=True))
        found = run(np.ascontiguousarray(padded[(None, slice(None), *window)]))[0]
        if scores is None:
            scores = np.zeros((len(found), *padded.shape[1:]), np.float32)
        scores[(slice(None), *window)] += weights * found
        total[window] += weights
        if progress is not None:
            progress(done, len(places))
    scores /= total
    inside = tuple(slice(a, a + n) for (a, _), n in zip(padding, volume.shape[1:], strict=True))
    return scores[(slice(None), *inside)]


def normalise(volume: np.ndarray) -> np.ndarray:
    """Each channel (C, D, H, W) to mean 0 and deviation 1 of its voxels that are not 0; 0 stays."""
    out = volume.astype(np.float32)
    for channel in out:
        inside = channel != 0
        if inside.any():
            values = channel[inside]
            deviation = values.std()
            channel[inside] = (values - values.mean()) / (deviation if deviation > 0 else 1)
    return out


def check_description(text: str | None, file: str) -> dict[str, Any]:
    """The description of a 3-D model's file.

    Raises:
        MetadataError: It is missing, broken, or that of another kind of model.
    """
    remedy = 'export the model again with tools/export_volume.py'
    try:
        found = json.loads(text or 'null')
    except (ValueError, RecursionError) as error:
        raise MetadataError(f'{file}: its "{KEY}" metadata is no JSON; {remedy}') from error
    if not isinstance(found, dict) or found.get('kind') != KIND:
        raise MetadataError(f'{file}: is no exported 3-D model; {remedy}')
    if found.get('version') != VERSION:
        raise MetadataError(f'{file}: metadata version {found.get("version")}, this release reads '
                            f'{VERSION}; {remedy}')
    size, overlap = found.get('window'), found.get('overlap')
    names = (found.get('classes'), found.get('channels'))
    if not (isinstance(size, list) and len(size) == 3
            and all(type(n) is int and 1 <= n <= 1024 for n in size)
            and isinstance(overlap, (int, float)) and 0 <= overlap < 1
            and all(isinstance(n, list) and n and all(isinstance(s, str) for s in n)
                    for n in names)):
        raise MetadataError(f'{file}: its "{KEY}" metadata is broken (window, overlap, classes '
                            f'or channels); {remedy}')
    return found


class VolumeSegmenter:
    """A 3-D model that ``tools/export_volume.py`` wrote.

        segmenter = VolumeSegmenter('lightmedseg.onnx')
        labels = segmenter(volume)          # (C, D, H, W), axes to the right, front and top

    With nibabel, ``nibabel.as_closest_canonical`` turns a file's axes so.

    Args:
        file (str | Path): ``.onnx``, or OpenVINO's ``.xml``.
        backend (str): ``'onnxruntime'``, ``'openvino'`` or ``'auto'``.
        threads (int, optional): Threads; None lets the library choose.

    Attributes:
        classes, channels (tuple[str, ...]): Names by label value, and of the input's channels.

    Raises:
        ModelError, MetadataError: The file cannot be used.
    """

    def __init__(self, file: str | Path, backend: str = 'auto', threads: int | None = None
                 ) -> None:
        self._session = open_session(file, backend, threads)
        self.description: Mapping[str, Any] = check_description(
            self._session.description, str(file))
        self.classes = tuple(self.description['classes'])
        self.channels = tuple(self.description['channels'])

    def scores(self, volume: np.ndarray, progress: Callable[[int, int], None] | None = None
               ) -> np.ndarray:
        """Raw scores (K, D, H, W) float32.

        Args:
            volume: (C, D, H, W) as stored; it is normalised here.
            progress: See :func:`slide`.

        Raises:
            ValueError: Another number of channels or axes.
        """
        if volume.ndim != 4 or len(volume) != len(self.channels):
            raise ValueError(f'a volume of shape {volume.shape}; expected ({len(self.channels)}, '
                             f'D, H, W) with the channels {", ".join(self.channels)}')
        name = self._session.inputs[0].name

        def run(window: np.ndarray) -> np.ndarray:
            return self._session.run({name: window})['logits']

        return slide(normalise(volume), run, self.description['window'],
                     self.description['overlap'], progress)

    def __call__(self, volume: np.ndarray, progress: Callable[[int, int], None] | None = None
                 ) -> np.ndarray:
        """Label map (D, H, W) uint8; see :meth:`scores`."""
        return self.scores(volume, progress).argmax(0).astype(np.uint8)
