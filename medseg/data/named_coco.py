"""A COCO data set whose labels follow the class names, whatever the file's order."""
from __future__ import annotations

from collections import Counter

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from .categories import category_ids
from .checked_coco import CheckedCOCO, load_checked
from .coco_file import float_outlines


class ClassOrderCOCO(CheckedCOCO):
    """Gives the ids of named categories in the order of the names, and all of them."""

    def get_cat_ids(self, cat_names=(), sup_names=(), cat_ids=()) -> list[int]:
        if cat_names and not sup_names and not cat_ids:
            return category_ids(self.cats, cat_names, self.source)
        return super().get_cat_ids(cat_names, sup_names, cat_ids)


@DATASETS.register_module()
class NamedCocoDataset(CocoDataset):
    """``CocoDataset`` that numbers labels by ``metainfo.classes`` and says what it leaves out.

    mmdet numbers them by the order of the file's categories instead, so that two files of the
    same set with their categories in another order mean different things by the same label.
    Objects of categories that are not among the classes are left out, as in mmdet, but counted
    and reported; so are objects without area, outlines that are none, images of one id, and
    everything else that ``tools/data/check.py`` finds and training cannot use.

    Raises:
        UserError: The file cannot be used at all.
        ValueError: The file lacks a class, or lists it twice.
    """

    METAINFO = {
        # InstanceMetric maps labels to categories in the same way when it finds this.
        'labels_by_name': True,
    }

    def load_data_list(self) -> list[dict]:
        """Read the annotation file; see the parent."""
        source = str(self.ann_file)
        with get_local_path(self.ann_file, backend_args=self.backend_args) as path:
            coco = load_checked(path, source, training=True, kind=ClassOrderCOCO)
        self.COCOAPI = lambda _: coco  # the parent opens the file with it
        data_list = super().load_data_list()
        del self.COCOAPI
        counts = Counter(coco.cats[ann['category_id']]['name'] for ann in coco.anns.values())
        classes = set(self.metainfo['classes'])
        left_out = {name: count for name, count in counts.items() if name not in classes}
        if left_out:
            print_log(f'{source}: {sum(left_out.values())} objects left out, their categories are '
                      f'not among the classes: {left_out}', 'current', level=30)
        ignored = sum(bool(ann.get('ignore')) for ann in coco.anns.values())
        if ignored:
            print_log(f'{source}: {ignored} objects left out, they are marked as ignored',
                      'current', level=30)
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """One image with its objects, polygons in floating point; see the parent."""
        info = super().parse_data_info(raw_data_info)
        for instance in info['instances']:
            if 'mask' in instance:
                instance['mask'] = float_outlines(instance['mask'])
        return info

    def filter_data(self) -> list[dict]:
        """Leave out the images that ``filter_cfg`` names; see the parent."""
        kept = super().filter_data()
        if len(kept) < len(self.data_list):
            print_log(f'{self.ann_file}: {len(self.data_list) - len(kept)} of '
                      f'{len(self.data_list)} images left out by filter_cfg {self.filter_cfg}: '
                      'too small, or without objects of the classes', 'current', level=20)
        return kept
