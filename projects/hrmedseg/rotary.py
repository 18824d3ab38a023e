"""Rotary position code of a grid of tokens: rows on the first half of the channels, columns on
the second."""
from __future__ import annotations

import torch
from torch import Tensor

BASE = 10000.0
#: Grids whose codes are kept; a data set has few.
_KEPT = 16


def angles(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Angle of every pair of channels at every token.

    With K = channels / 4 frequencies w_j = 10000^(-j / K), the token at row r and column c has the
    angles r w_0, ..., r w_(K-1), c w_0, ..., c w_(K-1).

    Args:
        height, width (int): Of the grid.
        channels (int): A multiple of 4.
        device (torch.device, optional): Where to make them.

    Returns:
        Tensor: (height * width, channels / 2) float32, row by row.
    """
    number = channels // 4
    exponents = torch.arange(number, dtype=torch.float32, device=device) / number
    frequencies = torch.pow(torch.tensor(BASE, device=device), -exponents)
    rows = torch.arange(height, device=device).float()[:, None, None] * frequencies
    columns = torch.arange(width, device=device).float()[None, :, None] * frequencies
    # Sums with zeros, not `expand`, whose sizes a traced graph would hold as constants.
    both = (rows + 0 * columns, columns + 0 * rows)
    return torch.cat(both, -1).flatten(0, 1)


def rotate(x: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each adjacent pair of channels (2m, 2m + 1) by angle number m.

    Args:
        x (Tensor): (B, N, C).
        code (tuple[Tensor, Tensor]): Cosine and sine, (N, C / 2) each.

    Returns:
        Tensor: (B, N, C).
    """
    cos, sin = code
    first, second = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    turned = (first * cos - second * sin, first * sin + second * cos)
    return torch.stack(turned, -1).flatten(-2)


class RotaryCode:
    """Cosine and sine of :func:`angles`, made for the grid at hand and kept for the next.

    Args:
        channels (int): A multiple of 4.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, channels: int) -> None:
        if channels < 4 or channels % 4:
            raise ValueError(f'a rotary code of two axes needs a multiple of 4 channels, got '
                             f'{channels}')
        self.channels = channels
        self._made: dict[tuple, tuple[Tensor, Tensor]] = {}

    def __call__(self, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosine and sine, (height * width, channels / 2) each."""
        if torch.jit.is_tracing():
            # The size is a value of the graph then; a kept table would freeze it.
            return self._make(height, width, device)
        key = (height, width, device)
        if key not in self._made:
            while len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            with torch.no_grad():
                self._made[key] = self._make(height, width, device)
        return self._made[key]

    def _make(self, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        found = angles(height, width, self.channels, device)
        return found.cos(), found.sin()

    def __getstate__(self) -> dict:
        return dict(channels=self.channels, _made={})
