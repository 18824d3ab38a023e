"""The paper's data set; importing it registers the public sets too, as in release 0.1."""
from mmdet.registry import DATASETS

from medseg.data.named_coco import NamedCocoDataset
from medseg.data.public_sets import NucleiDataset, TeethDataset  # noqa: F401
from medseg.runtime.palette import PELD_PALETTE


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
