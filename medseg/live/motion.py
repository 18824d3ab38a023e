"""How the picture moved from one frame to the next: dense optical flow at a small size."""
from __future__ import annotations

import cv2
import numpy as np

#: Longer side of the grey pictures that the flow is computed on, pixels.
SIDE = 256


class Motion:
    """Where each place of a frame was in the frame before.

    OpenCV's DIS flow: scope and tissue move in different ways, so that one shift or one
    homography for the whole picture would not do.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: np.ndarray | None = None
        self._grid = np.zeros((0, 0, 2), np.float32)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the small pictures, once there was a frame."""
        return self._before.shape

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Take the next frame.

        Args:
            frame (np.ndarray): BGR, (H, W, 3) uint8.

        Returns:
            np.ndarray: (h, w, 2) float32 at a small size: x and y, in its own pixels, of where
            each pixel was before; None for the first frame and after a change of size.
        """
        height, width = frame.shape[:2]
        factor = min(SIDE / max(height, width), 1.0)
        size = max(round(width * factor), 16), max(round(height * factor), 16)
        grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA
                                       if factor > 0.5 else cv2.INTER_LINEAR),
                            cv2.COLOR_BGR2GRAY)
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape:
            return None
        if self._grid.shape[:2] != grey.shape:
            x, y = np.meshgrid(np.arange(size[0], dtype=np.float32),
                               np.arange(size[1], dtype=np.float32))
            self._grid = np.dstack([x, y])
        return self._grid + self._flow.calc(grey, before, None)


def warp(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Carry a map along with the picture.

    Args:
        values (np.ndarray): (h, w) float32 of the frame before.
        places (np.ndarray): (h, w, 2) of :class:`Motion`.

    Returns:
        np.ndarray: (h, w) float32 of this frame; nothing comes in from outside the picture.
    """
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
