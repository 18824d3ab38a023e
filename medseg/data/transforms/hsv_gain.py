"""Random colour by factors, as YOLOv8 changes it."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class HSVGain(BaseTransform):
    """Turn the hue and multiply saturation and value by random factors.

    mmdet's ``YOLOXHSVRandomAug`` adds: +30 on a dark microscopy image's value changes everything,
    on a bright one's little. A factor changes both alike, and black stays black, grey grey.

    Required keys: img (BGR, uint8). Modified: img.

    Args:
        hue (float): Largest turn, as a share of the full circle.
        saturation, value (float): Largest change of the factor from 1.
    """

    def __init__(self, hue: float = 0.015, saturation: float = 0.7, value: float = 0.4) -> None:
        self.largest = np.array([hue, saturation, value])

    @cache_randomness
    def _draw(self) -> np.ndarray:
        """Turn and changes of the two factors, (3,)."""
        return np.random.uniform(-1, 1, 3) * self.largest

    def transform(self, results: dict) -> dict:
        turn, *changes = self._draw()
        levels = np.arange(256)
        # OpenCV counts the hue of 8-bit images in half degrees.
        table = np.stack([(levels + 180 * turn) % 180,
                          *(np.clip(levels * (1 + change), 0, 255) for change in changes)], -1)
        hsv = cv2.cvtColor(results['img'], cv2.COLOR_BGR2HSV)
        results['img'] = cv2.cvtColor(cv2.LUT(hsv, table.astype(np.uint8)[None]),
                                      cv2.COLOR_HSV2BGR)
        return results
