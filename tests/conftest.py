"""Fixtures that several test folders share."""
import json

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from pycocotools import mask as mask_utils
from tiny_coco import make_tiny_coco
from tool_runs import load_tool

#: Files that train or start processes; they run last, so that plain mistakes show early.
SLOW = ('test_overfit', 'test_zoo', 'test_benchmark_tool', 'test_other_models', 'test_train',
        'test_resume', 'test_kills', 'test_full_disk', 'test_work_dir', 'test_every_way_in',
        'test_dist_train', 'test_fuse_tool', 'test_publish', 'test_predict', 'test_infer')


def pytest_collection_modifyitems(items):
    """Fast tests first; the order within the two groups stays."""
    items.sort(key=lambda item: item.path.stem in SLOW)


@pytest.fixture(scope='session', autouse=True)
def _mmdet_scope():
    register_all_modules(init_default_scope=True)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def build_model():
    """Factory: the model of a config, with options merged into its ``model`` part."""
    import projects.lmsfa.models  # noqa: F401

    def build(path: str, **options):
        config = Config.fromfile(path)
        config.merge_from_dict({f'model.{key}': value for key, value in options.items()})
        return MODELS.build(config.model)

    return build


@pytest.fixture
def error_of(capsys, monkeypatch):
    """Factory: the line that a tool prints about wrong input, which must be all it does."""
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tools set it; this takes it back

    def run(tool: str, *words) -> str:
        capsys.readouterr()
        assert load_tool(tool).main([str(word) for word in words]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and lines[0].startswith('error: ')
        return lines[0]

    return run


@pytest.fixture(scope='module')
def predicted(tmp_path_factory):
    """A set of six images and predictions of mixed quality for it."""
    root = make_tiny_coco(tmp_path_factory.mktemp('set') / 'data', num_images=6, size=96)
    content = json.loads((root / 'annotations/instances_test.json').read_text())
    rng = np.random.default_rng(1)
    records = []
    for ann in content['annotations']:
        for shift in (int(rng.integers(0, 4)), int(rng.integers(8, 20))):
            x, y, w, h = ann['bbox']
            mask = np.zeros((96, 96), np.uint8, order='F')
            mask[y:y + h, x + shift:x + shift + w] = 1
            rle = mask_utils.encode(mask)
            rle['counts'] = rle['counts'].decode()
            records.append(dict(
                image_id=ann['image_id'], category_id=ann['category_id'], segmentation=rle,
                bbox=[x + shift, y, w, h], score=float(rng.uniform(0.2, 1) - shift / 40)))
    return content, records
