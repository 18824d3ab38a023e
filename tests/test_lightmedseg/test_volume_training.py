"""tools/train.py and tools/test.py on volumes, for the network, its peers and its ablations."""
import json

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from tool_runs import run_tool

import projects.lightmedseg.training  # noqa: F401

CONFIG = 'configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py'


def test_train_then_test(tiny_brains, tmp_path):
    options = [f'{loader}_dataloader.dataset.data_root={tiny_brains}'
               for loader in ('train', 'val', 'test')]
    options += ['train_dataloader.batch_size=1', 'model.test_cfg.roi_size=(32,32,32)']
    run_tool('tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options,
             'crop=(32,32,32)', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    best = next(tmp_path.glob('best_volume_dice_epoch_1.pth'))
    run_tool('tools/test.py', CONFIG, best, '--work-dir', tmp_path / 'test', '--cfg-options',
             *options, f'test_evaluator.outfile_prefix={tmp_path}/predicted')
    cases = json.loads((tmp_path / 'predicted.volumes.json').read_text())
    assert [case['case'] for case in cases] == ['brain_006']
    assert set(cases[0]['dice']) == {'whole tumour', 'tumour core', 'enhancing tumour'}


def test_window_of_a_constant_network_is_constant():
    """Blending weights sum to 1: windows that agree leave no seams."""
    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x * 0 + 1, x * 0 + 3], 1)

    model = MODELS.build(Config.fromfile(CONFIG).model)
    model.network, model.test_cfg = Constant(), dict(roi_size=(16, 16, 16), overlap=0.5)
    logits = model.whole_logits(torch.randn(1, 1, 20, 37, 9))
    torch.testing.assert_close(logits[:, 1], torch.full((1, 20, 37, 9), 3.0))
