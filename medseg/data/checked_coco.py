"""mmdet's index of a COCO file, made from what the rules let pass; training and metrics use it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet.datasets.api_wrappers import COCO
from mmengine.logging import print_log

from medseg.io import read_json

from .coco_rules import left_out_line, usable_content


class CheckedCOCO(COCO):
    """mmdet's ``COCO`` of content that ``coco_rules`` lets pass.

    Args:
        content (dict): What ``usable_content`` gave.
        source (str): Name of the file, for messages.
    """

    def __init__(self, content: dict[str, Any], source: str) -> None:
        super().__init__()
        self.source = source
        self.dataset = content
        self.createIndex()
        self.img_ann_map, self.cat_img_map = self.imgToAnns, self.catToImgs


def load_checked(path: str, source: str, training: bool,
                 kind: type[CheckedCOCO] = CheckedCOCO) -> CheckedCOCO:
    """Read an annotation file; what cannot be used is left out, and said in the log.

    Args:
        path (str): A file on this machine.
        source (str): What the user calls it.
        training (bool): Also leave out the objects that training cannot use.
        kind (type): What to make of it.

    Raises:
        UserError: The file cannot be used at all.
    """
    content, left_out = usable_content(read_json(Path(path)), source, training)
    if left_out:
        print_log(left_out_line(source, left_out), 'current', level=30)
    return kind(content, source)
