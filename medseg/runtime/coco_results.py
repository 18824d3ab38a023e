"""Instances as COCO results, and whose ids they have: the same from PyTorch and from exports.

Each has ``image_id``, ``file_name``, of videos ``frame``, ``category_id``, ``category_name``,
``bbox`` (x, y, width, height in pixels), ``score``, ``area`` (pixels) and ``segmentation``
(compressed run lengths), which is what ``pycocotools``' ``loadRes`` reads.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medseg.errors import UserError

from .records import encode_mask

#: Lowest score of an instance by default: what is worth showing. Evaluation goes down to 0.001
#: for the whole precision-recall curve, and pays for hundreds of masks nobody looks at.
SCORE_THR = 0.25


def coco_records(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, masks: np.ndarray,
                 class_names: Sequence[str], category_ids: Sequence[int], **where: Any
                 ) -> list[dict]:
    """Entries of the instances of one image.

    Args:
        boxes (np.ndarray): (n, 4), x1, y1, x2, y2.
        labels, scores (np.ndarray): (n,).
        masks (np.ndarray): (n, H, W) bool.
        class_names (Sequence[str]): In the order of the labels.
        category_ids (Sequence[int]): The annotation file's, in the same order.
        where: ``image_id``, ``file_name``, ``frame``; put first.
    """
    entries = []
    for box, label, score, mask in zip(boxes.tolist(), labels.tolist(), scores.tolist(), masks,
                                       strict=True):
        x1, y1, x2, y2 = box
        entries.append({
            **where, 'category_id': int(category_ids[label]), 'category_name': class_names[label],
            'bbox': [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)], 'score': round(score, 5),
            'area': int(mask.sum()), 'segmentation': encode_mask(mask)})
    return entries


class AnnotationIds:
    """Ids of images and categories as a COCO annotation file has them (``--ann``).

    Args:
        path (Path): The file.

    Raises:
        UserError: It cannot be read or is no COCO file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = json.loads(path.read_text(encoding='utf-8-sig'))
            self._categories = [(item['name'], item['id']) for item in content['categories']]
            self._images = {str(item['file_name']).replace('\\', '/'): item['id']
                            for item in content['images']}
        except OSError as error:
            raise UserError(f'{path}: cannot be read ({error.strerror})') from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f'{path}: is not a COCO annotation file ({error!r})') from error
        self._by_name: dict[str, list[str]] = {}
        for name in self._images:
            self._by_name.setdefault(PurePosixPath(name).name, []).append(name)

    def category_ids(self, class_names: Sequence[str]) -> list[int]:
        """The file's category id of each class.

        Raises:
            UserError: The file lacks a class of the model.
        """
        known: Mapping[str, int] = dict(reversed(self._categories))
        missing = [name for name in class_names if name not in known]
        if missing:
            raise UserError(f'--ann {self.path}: has no category {", ".join(map(repr, missing))}, '
                            f'which the model knows; it has {list(known)}')
        return [known[name] for name in class_names]

    def image_id(self, name: str) -> int | None:
        """Id of an image by its path below the folder, the end of it, or its mere name.

        None where the file does not list the image, or lists several of that name.
        """
        if name in self._images:
            return self._images[name]
        same = self._by_name.get(PurePosixPath(name).name, [])
        ends = [other for other in same
                if other.endswith(f'/{name}') or name.endswith(f'/{other}')] or same
        return self._images[ends[0]] if len(ends) == 1 else None

    def select(self, files: Sequence[Path], root: Path) -> dict[Path, int]:
        """Ids of the files that the annotation file lists, in their order.

        Raises:
            UserError: It lists none of them.
        """
        found = {file: self.image_id(file.relative_to(root).as_posix()) for file in files}
        ids = {file: number for file, number in found.items() if number is not None}
        if not ids:
            raise UserError(f'--ann {self.path}: lists none of the {len(files)} images, the first '
                            f'of which is {files[0]}')
        return ids
