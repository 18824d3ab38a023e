"""Forget what the following transforms do not need."""
from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class DropKeys(BaseTransform):
    """Remove keys from the sample.

    ``MultiImageMixDataset`` copies whole samples before every transform; without the raw
    ``instances`` (polygons as lists of numbers, parsed already) loading is about four times as
    fast on images with many objects.

    Args:
        keys (Sequence[str]): Keys to remove where present.
    """

    def __init__(self, keys: Sequence[str] = ('instances',)) -> None:
        self.keys = tuple(keys)

    def transform(self, results: dict) -> dict:
        for key in self.keys:
            results.pop(key, None)
        return results
