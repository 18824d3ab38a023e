"""The PELD data set and the classes of its users' other sets."""
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from .palette import PELD_PALETTE, class_colors


@DATASETS.register_module()
class PELDDataset(CocoDataset):
    """Percutaneous endoscopic lumbar discectomy: four structures, COCO format.

    Colours are the paper's: purple, red, yellow, green.
    """

    METAINFO = {
        'classes': tuple(PELD_PALETTE),
        'palette': list(PELD_PALETTE.values()),
    }


@DATASETS.register_module()
class NucleiDataset(CocoDataset):
    """2018 Data Science Bowl (BBBC038v1): nuclei in microscopy, one class."""

    METAINFO = {'classes': ('nucleus',), 'palette': class_colors(['nucleus'])}


@DATASETS.register_module()
class TeethDataset(CocoDataset):
    """Teeth segmentation on dental X-ray images (Humans in the Loop, 2023): 32 numbered teeth."""

    METAINFO = {'classes': tuple(str(number) for number in range(1, 33)),
                'palette': class_colors([str(number) for number in range(1, 33)])}
