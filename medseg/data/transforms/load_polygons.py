"""Load every annotation as polygons, run-length encoded ones too."""
import numpy as np
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import TRANSFORMS

from medseg.data.coco_file import annotation_mask
from medseg.data.convert.geometry import mask_to_polygons
from medseg.data.convert.records import RecordError
from medseg.errors import UserError


@TRANSFORMS.register_module()
class LoadPolygonAnnotations(LoadAnnotations):
    """mmdet's ``LoadAnnotations`` with polygons, boxes and labels, that loses nothing.

    mmdet marks run-length encoded masks as ignored when it keeps polygons, so that a set exported
    as RLE would train on nothing and say nothing. Here they become their outlines along pixel
    borders, whose rasterisation is the mask again.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(with_bbox=True, with_mask=True, poly2mask=False, **kwargs)

    def _process_masks(self, results: dict) -> list:
        """Masks of all instances as lists of flat polygons.

        Raises:
            UserError: If a mask does not fit its image.
            ValueError: If an instance has no mask, as in a set made for boxes only.
        """
        height, width = results['ori_shape'][:2]
        for i, instance in enumerate(results.get('instances', [])):
            if not instance.get('mask'):
                raise ValueError(
                    f'{results["img_path"]}: annotation {i} has no segmentation; run '
                    'tools/data/check.py on the annotations and mend or remove it')
            if isinstance(instance['mask'], dict):
                try:
                    mask = annotation_mask(dict(segmentation=instance['mask']), height, width)
                    rings = mask_to_polygons(mask)
                except RecordError as error:
                    raise UserError(f'{results["img_path"]}: mask {i}: {error.kind}: {error}; run '
                                    'tools/data/check.py on the annotations') from error
                instance['mask'] = [ring.reshape(-1).tolist() for ring in rings]
        return [[part.astype(np.float64, copy=False) for part in parts]
                for parts in super()._process_masks(results)]
