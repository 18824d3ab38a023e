"""The PELD data set and the classes of its users' other sets."""
from mmdet.registry import DATASETS

from medseg.data.named_coco import NamedCocoDataset
from medseg.runtime.palette import PELD_PALETTE, class_colors


@DATASETS.register_module()
class PELDDataset(NamedCocoDataset):
    """Percutaneous endoscopic lumbar discectomy: four structures, COCO format.

    Colours are the paper's: purple, red, yellow, green.
    """

    METAINFO = {
        **NamedCocoDataset.METAINFO,
        'classes': tuple(PELD_PALETTE),
        'palette': list(PELD_PALETTE.values()),
    }


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
