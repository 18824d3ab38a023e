"""A tiny semantic set, a config for it, weights with which every pixel differs."""
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_coco import make_tiny_coco
from tool_runs import ROOT

BASE = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_peld.py'
#: A narrow network on the tiny set; the pipelines are those of the real config.
TINY = '''
_base_ = '{root}/{base}'
data_root = '{data}/'
img_scale = ({size}, {size})
_base_.train_pipeline[3].scale = img_scale
_base_.train_pipeline[4].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
model = dict(
    backbone=dict(dim=24, depths=(1, 1, 1, 1), num_heads=(2, 3, 6), drop_path_rate=0.),
    neck=dict(in_channels=24, out_channels=32), prompt_encoder=dict(dim=32),
    decode_head=dict(in_channels=32, num_heads=4, mlp_channels=32, channels=(16, 8)))
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dict(
    data_root=data_root, pipeline=_base_.train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data_root=data_root, pipeline=_base_.test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
'''


@pytest.fixture(scope='session', autouse=True)
def _registered():
    import projects.baselines  # noqa: F401
    import projects.hrmedseg.models  # noqa: F401
    import projects.lmsfa.datasets.peld  # noqa: F401


@dataclass(frozen=True)
class Tiny:
    """A config of a narrow network, weights for it, and the data's folder."""

    config: Path
    checkpoint: Path
    data: Path

    @property
    def images(self) -> Path:
        """Folder of the images."""
        return self.data / 'images'


def write_tiny(folder: Path, size: int = 96, images: int = 4) -> Tiny:
    """Make the set, the config and a checkpoint of weights with which every pixel differs."""
    from medseg.deploy.agreement import normalise, randomise
    from medseg.engine.building import build_model
    data = make_tiny_coco(folder / 'data', num_images=images, size=96)
    path = folder / 'tiny.py'
    path.write_text(TINY.format(root=ROOT, base=BASE, data=data, size=size))
    config = Config.fromfile(path)
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    model = randomise(build_model(config), normalise(cv2.GaussianBlur(noise, (0, 0), 2), config))
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'random.pth')
    return Tiny(path, folder / 'random.pth', data)


@pytest.fixture(scope='session')
def tiny(tmp_path_factory) -> Tiny:
    """96-pixel images."""
    return write_tiny(tmp_path_factory.mktemp('semantic'))
