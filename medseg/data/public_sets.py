"""Data sets that anyone can download: their classes, in the order of the labels."""
from mmdet.registry import DATASETS

from medseg.runtime.palette import class_colors

from .named_coco import NamedCocoDataset


@DATASETS.register_module()
class NucleiDataset(NamedCocoDataset):
    """2018 Data Science Bowl (BBBC038v1): nuclei in microscopy, one class."""

    METAINFO = {
        **NamedCocoDataset.METAINFO,
        'classes': ('nucleus',),
        'palette': class_colors(['nucleus']),
    }


@DATASETS.register_module()
class TeethDataset(NamedCocoDataset):
    """Teeth segmentation on dental X-ray images (Humans in the Loop, 2023): 32 numbered teeth."""

    METAINFO = {
        **NamedCocoDataset.METAINFO,
        'classes': tuple(str(number) for number in range(1, 33)),
        'palette': class_colors([str(number) for number in range(1, 33)]),
    }
