"""``synpeld:SEED``, a synthetic endoscope for demos and tests of the live view.

    python -m medseg.live MODEL synpeld:0 --import projects.lmsfa.live

``synpeld:SEED:WIDTHxHEIGHT`` sets the size (540x360 without it). The first seconds are drawn as
they are shown, slower than real time; the clip then runs back and forth from memory.
"""
from __future__ import annotations

import numpy as np

from medseg.live.sources import SOURCES, Pace, Source, SourceError

from .datasets.synpeld.clip import RATE, Clip

#: Frames of the clip that are kept; four seconds.
KEPT = 100


class SynpeldSource(Source):
    """A scope over a synthetic patient.

    Args:
        text (str): ``SEED`` or ``SEED:WIDTHxHEIGHT``.
        kept (int): Frames until the clip turns back.

    Raises:
        SourceError: That is not what it says.
    """

    live = True
    rate = RATE

    def __init__(self, text: str, kept: int = KEPT) -> None:
        self.name = f'synpeld:{text}'
        seed, _, size = text.partition(':')
        width, _, height = (size or '540x360').partition('x')
        if not (seed.isdigit() and width.isdigit() and height.isdigit()
                and min(int(width), int(height)) >= 96):
            raise SourceError(f'{self.name}: give synpeld:SEED or synpeld:SEED:WIDTHxHEIGHT, such '
                              'as synpeld:0:1080x720, at least 96x96')
        self._clip = Clip(int(seed), size=(int(width), int(height)))
        self._frames: list[np.ndarray] = []
        self._index, self._kept = 0, kept
        self._pace = Pace(self.rate)

    def read(self) -> np.ndarray:
        """The next frame; the clip goes forth and back without end."""
        turn = self._index % (2 * self._kept - 2)
        place = min(turn, 2 * self._kept - 2 - turn)
        if place == len(self._frames):
            self._frames.append(self._clip.image(place))
        self._index += 1
        self._pace.wait()
        return self._frames[place]


SOURCES['synpeld'] = SynpeldSource
