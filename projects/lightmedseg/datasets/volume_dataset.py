"""A set of volumes in the Decathlon's layout: one JSON file that lists images and labels."""
from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset, Compose

from .decathlon import read_list


@DATASETS.register_module()
class VolumeDataset(BaseDataset):
    """Cases of one subset of a list file.

    Args:
        ann_file (str): The list, relative to ``data_root``; see :func:`.decathlon.read_list`.
        subset (str): ``'training'``, ``'validation'`` or ``'test'``.
        data_root (str): Folder that the list's paths are relative to.
        load_pipeline (Sequence[dict]): Deterministic transforms, run once per case where
            ``cache`` is on.
        pipeline (Sequence[dict]): The others.
        cache (bool): Keep the loaded cases in memory: every crop would otherwise unpack a whole
            volume. 42 cases of 4 x 128^3 voxels take 1.4 GB.
        metainfo (dict, optional): Replaces what the file says, such as ``classes``.

    Raises:
        UserError: See :func:`.decathlon.read_list`.
    """

    def __init__(self, ann_file: str, subset: str = 'training', data_root: str = '',
                 load_pipeline: Sequence[dict] = (), pipeline: Sequence[dict] = (),
                 cache: bool = True, metainfo: dict | None = None, **kwargs: Any) -> None:
        self.subset = subset
        self.load_pipeline = Compose([TRANSFORMS.build(t) for t in load_pipeline])
        self._cache: dict[int, dict] | None = {} if cache else None
        super().__init__(ann_file=ann_file, data_root=data_root, metainfo=metainfo,
                         pipeline=[TRANSFORMS.build(t) for t in pipeline], **kwargs)

    def load_data_list(self) -> list[dict]:
        """Cases as dicts with ``image``, ``label`` (paths), ``case`` and ``patient``."""
        content = read_list(Path(self.ann_file), self.subset)
        self._metainfo.setdefault('classes', content.classes)
        self._metainfo.setdefault('channels', content.channels)
        return [dict(image=[str(path) for path in case.images], case=case.name,
                     patient=case.patient, label_map=content.label_map,
                     **({} if case.label is None else dict(label=str(case.label))))
                for case in content.cases]

    def prepare_data(self, idx: int) -> dict:
        """A case through both pipelines."""
        if self._cache is None:
            return self.pipeline(self.load_pipeline(self.get_data_info(idx)))
        if idx not in self._cache:
            self._cache[idx] = self.load_pipeline(self.get_data_info(idx))
        # Shallow: transforms replace what they change.
        return self.pipeline(copy.copy(self._cache[idx]))
