"""Two processes train together over gloo, on the CPU."""
import json
import os
import socket
import subprocess
import sys

from tool_runs import ROOT

WITNESS = '''
import json
import os

import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class WitnessHook(Hook):
    """Notes what each process saw and what weights it ended with."""

    def __init__(self, folder):
        self.folder, self.seen = folder, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen += [sample.img_id for sample in data_batch['data_samples']]

    def after_train(self, runner):
        weights = [p.double().sum().item() for p in runner.model.parameters()]
        with open(os.path.join(self.folder, f'rank{get_rank()}.json'), 'w') as file:
            json.dump({'seen': self.seen, 'weights': weights,
                       'backend': torch.distributed.get_backend()}, file)
'''
CONFIG = '''
_base_ = '{tiny}'
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'witness'])
# Whole images, so that the images a process saw are known.
train_dataloader = dict(
    batch_size=1, dataset=dict(pipeline=[dict(type='PackDetInputs')]))
custom_hooks = [dict(type='EpochSeedHook'), dict(type='WitnessHook', folder='{folder}')]
train_cfg = dict(max_epochs=1, val_interval=1)
'''


def test_two_processes(tiny_config, tmp_path):
    (tmp_path / 'witness.py').write_text(WITNESS)
    config = tmp_path / 'dist.py'
    config.write_text(CONFIG.format(tiny=tiny_config, folder=tmp_path))
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    env = dict(os.environ, PYTHON=sys.executable, PORT=str(port), PYTHONPATH=str(tmp_path),
               OMP_NUM_THREADS='1')
    result = subprocess.run(
        ['bash', 'tools/dist_train.sh', config, '2', '--work-dir', tmp_path / 'work'], cwd=ROOT,
        env=env, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr[-3000:]

    one, two = (json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in (0, 1))
    assert one['backend'] == two['backend'] == 'gloo'
    # Each saw half of the images, and the gradients were shared.
    assert sorted(one['seen'] + two['seen']) == [1, 2, 3, 4] and len(one['seen']) == 2
    assert one['weights'] == two['weights']
    rows = [json.loads(line) for line in
            next(tmp_path.glob('work/*/vis_data/scalars.json')).read_text().splitlines()]
    assert any('coco/segm_mAP' in row for row in rows)

    env['PORT'] = str(port)
    result = subprocess.run(
        ['bash', 'tools/dist_test.sh', config, tmp_path / 'work/epoch_1.pth', '2', '--work-dir',
         tmp_path / 'test'], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240,
        stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr[-3000:]
    in_training = next(row for row in rows if 'coco/bbox_mAP' in row)
    metrics = json.loads(next(tmp_path.glob('test/*/*.json')).read_text())
    assert metrics['coco/bbox_mAP'] == in_training['coco/bbox_mAP']
