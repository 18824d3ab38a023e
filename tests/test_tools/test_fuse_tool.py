"""tools/models/fuse.py: the fused checkpoint goes where the plain one goes."""
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tool_runs import run_tool

from medseg.engine.checkpoint import is_fused, read_checkpoint
from medseg.engine.inference import Predictor

TOOL = 'tools/models/fuse.py'


@pytest.fixture(scope='module')
def fused(tiny_config, trained, tmp_path_factory):
    out = tmp_path_factory.mktemp('fused') / 'new' / 'fused.pth'
    run_tool(TOOL, tiny_config, trained / 'epoch_4.pth', out)
    assert [path.name for path in out.parent.iterdir()] == ['fused.pth']
    return out


def test_norms_are_gone_and_the_rest_is_kept(trained, fused):
    plain, small = read_checkpoint(trained / 'epoch_4.pth'), read_checkpoint(fused)
    assert is_fused(small) and not is_fused(plain)
    assert any('running_var' in key for key in plain['state_dict'])
    assert not any('running_var' in key for key in small['state_dict'])
    assert set(small) == {'meta', 'state_dict'}
    assert small['meta']['dataset_meta'] == plain['meta']['dataset_meta']
    assert 'cfg' not in small['meta']  # it is in the file, for people; no program reads it
    assert 'lmsfa' in torch.load(fused, weights_only=True)['meta']['cfg']


def test_raw_maps_are_equal(tiny_config, trained, fused):
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    maps = []
    for checkpoint in (trained / 'epoch_4.pth', fused):
        model = Predictor(Config.fromfile(tiny_config), str(checkpoint)).model
        with torch.no_grad():
            cls_scores, bbox_dists, coeffs, protos = model._forward(image)[0]
        maps.append([*cls_scores, *bbox_dists, *coeffs, protos])
    for plain, small in zip(*maps, strict=True):
        torch.testing.assert_close(small, plain, rtol=0, atol=1e-4)


def test_it_tests_and_predicts_alike(tiny_config, trained, fused, tmp_path):
    figures, instances = [], []
    images = tiny_config.parent / 'data' / 'images'
    for name, checkpoint in (('plain', trained / 'epoch_4.pth'), ('fused', fused)):
        run_tool('tools/test.py', tiny_config, checkpoint, '--work-dir', tmp_path / name)
        figures.append(json.loads(next(tmp_path.glob(f'{name}/*/*.json')).read_text()))
        run_tool('tools/infer.py', tiny_config, checkpoint, images, '--out', tmp_path / name,
                 '--score-thr', '0')
        instances.append(json.loads((tmp_path / name / 'predictions.json').read_text()))
    for key in ('coco/bbox_mAP', 'coco/segm_mAP', 'coco/segm_AR@100'):
        assert figures[1][key] == pytest.approx(figures[0][key], abs=1e-3)
    assert len(instances[0]) == len(instances[1]) > 0
    scores = [np.sort([item['score'] for item in found]) for found in instances]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-4)


def test_wrong_input(error_of, tiny_config, trained, fused, tmp_path):
    plain = trained / 'epoch_4.pth'
    before = plain.read_bytes()
    assert 'would overwrite' in error_of(TOOL, tiny_config, plain, plain)
    assert plain.read_bytes() == before
    assert f'{fused}: is fused already' in error_of(TOOL, tiny_config, fused, tmp_path / 'a.pth')
    assert 'is a folder' in error_of(TOOL, tiny_config, plain, tmp_path)
    other = 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py'
    assert f'{plain}: does not fit the config' in error_of(TOOL, other, plain, tmp_path / 'a.pth')
    assert 'a fused checkpoint cannot be trained' in error_of(
        'tools/train.py', tiny_config, '--work-dir', tmp_path / 'work', '--resume', fused)
    assert [path.name for path in tmp_path.iterdir()] == ['work']
