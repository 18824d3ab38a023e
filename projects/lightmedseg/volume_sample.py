"""What goes with a volume through training, prediction and scoring."""
from mmengine.structures import BaseDataElement


class VolumeSample(BaseDataElement):
    """A case: ``label`` (D, H, W) where it is known, ``pred_label`` (D, H, W) once predicted.

    Metainfo: ``case`` (name), ``patient``, ``affine`` (4, 4) of the arrays, ``spacing`` in mm.
    """
