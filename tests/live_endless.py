"""A source for processes of their own: ``endless:`` or, with a number, so many frames."""
from live_parts import ListSource, texture

from medseg.live.sources import SOURCES, PacedSource

SOURCES['endless'] = lambda text: PacedSource(
    ListSource([texture(seed=seed % 7) for seed in range(int(text or 2000))]))
