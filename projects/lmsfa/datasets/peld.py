"""The PELD data set and the classes of its users' other sets."""
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class PELDDataset(CocoDataset):
    """Percutaneous endoscopic lumbar discectomy: four structures, COCO format.

    Colours are the paper's: purple, red, yellow, green.
    """

    METAINFO = {
        'classes': ('adipose tissue', 'bone', 'ligamentum flavum', 'nerve'),
        'palette': [(160, 32, 240), (220, 20, 60), (255, 215, 0), (0, 200, 80)],
    }


@DATASETS.register_module()
class NucleiDataset(CocoDataset):
    """2018 Data Science Bowl (BBBC038v1): nuclei in microscopy, one class."""

    METAINFO = {'classes': ('nucleus',), 'palette': [(0, 200, 80)]}
