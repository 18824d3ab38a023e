"""Corruptions as augmentation."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from medseg.data import corruptions


@TRANSFORMS.register_module()
class RandomCorruption(BaseTransform):
    """Put the image under a random corruption of a random severity; boxes and masks stay.

    Args:
        names (Sequence[str]): Corruptions or suites (:mod:`medseg.data.corruptions`).
        prob (float): Share of images, 0 to 1.
        max_severity (int): 1 to 5.
        leave_out (Sequence[str]): Corruptions of a suite that are kept for testing.

    Raises:
        UserError: There is no such corruption.
    """

    def __init__(self, names: Sequence[str], prob: float = 0.5, max_severity: int = 3,
                 leave_out: Sequence[str] = ()) -> None:
        corruptions.find(leave_out)
        self.names = [name for name in corruptions.find(names) if name not in set(leave_out)]
        self.prob = prob
        self.max_severity = max_severity

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            name = self.names[np.random.randint(len(self.names))]
            severity = int(np.random.randint(1, self.max_severity + 1))
            seed = int(np.random.randint(2 ** 31))
            image = results['img']
            results['img'] = corruptions.corrupt(image.astype(np.uint8), name, severity,
                                                 seed=seed).astype(image.dtype)
        return results
