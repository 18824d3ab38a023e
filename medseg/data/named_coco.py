"""A COCO data set whose labels follow the class names, whatever the file's order."""
from __future__ import annotations

from collections import Counter

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from .categories import category_ids
from .coco_file import float_outlines


class _ClassOrderCOCO(COCO):
    """Gives the ids of named categories in the order of the names, and all of them."""

    source = 'the annotation file'

    def get_cat_ids(self, cat_names=(), sup_names=(), cat_ids=()) -> list[int]:
        if cat_names and not sup_names and not cat_ids:
            return category_ids(self.cats, cat_names, self.source)
        return super().get_cat_ids(cat_names, sup_names, cat_ids)


@DATASETS.register_module()
class NamedCocoDataset(CocoDataset):
    """``CocoDataset`` that numbers labels by ``metainfo.classes``.

    mmdet numbers them by the order of the file's categories instead, so that two files of the
    same set with their categories in another order mean different things by the same label.
    Objects of categories that are not among the classes are left out, as in mmdet, but counted
    and reported.

    Raises:
        ValueError: The file lacks a class, or lists it twice.
    """

    METAINFO = {
        # PELDMetric maps labels to categories in the same way when it finds this.
        'labels_by_name': True,
    }

    def load_data_list(self) -> list[dict]:
        """Read the annotation file; see the parent."""
        source, counts = str(self.ann_file), Counter()
        classes = set(self.metainfo['classes'])

        class Api(_ClassOrderCOCO):
            def createIndex(self) -> None:  # noqa: N802 (pycocotools' name)
                self.source = source
                super().createIndex()
                counts.update(self.cats[ann['category_id']]['name']
                              if ann['category_id'] in self.cats else ann['category_id']
                              for ann in self.anns.values())

        self.COCOAPI = Api
        data_list = super().load_data_list()
        del self.COCOAPI
        left_out = {name: count for name, count in counts.items() if name not in classes}
        if left_out:
            print_log(f'{source}: {sum(left_out.values())} objects left out, their categories are '
                      f'not among the classes: {left_out}', 'current', level=30)
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """One image with its objects, polygons in floating point; see the parent."""
        info = super().parse_data_info(raw_data_info)
        for instance in info['instances']:
            if 'mask' in instance:
                instance['mask'] = float_outlines(instance['mask'])
        return info
