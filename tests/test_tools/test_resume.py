"""A run that was interrupted and resumed is the run that was not."""
import json
import os

import pytest
import torch
from tool_runs import ROOT, run_tool

from medseg.engine.checkpoint import read_checkpoint

STOP_HOOK = '''
from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class StopHook(Hook):
    """Ends the run as a killed process would, after the second epoch's checkpoint."""

    priority = 'LOWEST'

    def before_train_epoch(self, runner):
        if runner.epoch == 2:
            raise SystemExit(9)
'''
INTERRUPTED = '''
_base_ = './tiny.py'
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'stop_hook'])
custom_hooks = [*_base_.custom_hooks, dict(type='StopHook')]
'''


def losses(work):
    """Logged figures by iteration, of the newest run in a work dir."""
    newest = max(work.glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in newest.read_text().splitlines()]
    return {row['iter']: {key: value for key, value in row.items()
                          if key.startswith('loss') or key in ('lr', 'grad_norm')}
            for row in rows if 'loss' in row}


def test_resumed_run_equals_uninterrupted_one(tiny_config, trained, tmp_path):
    (tmp_path / 'stop_hook.py').write_text(STOP_HOOK)
    interrupted = tiny_config.with_name('interrupted.py')
    interrupted.write_text(INTERRUPTED)
    work = tmp_path / 'work'
    run_tool('tools/train.py', interrupted, '--work-dir', work, check=9,
             env=dict(os.environ, PYTHONPATH=f'{tmp_path}:{ROOT}'))
    assert (work / 'last_checkpoint').read_text() == 'epoch_2.pth'
    assert not (work / 'epoch_3.pth').exists()

    first = losses(work)
    run_tool('tools/train.py', tiny_config, '--work-dir', work, '--resume')
    resumed, whole = losses(work), losses(trained)
    assert sorted(first) == [1, 2, 3, 4] and sorted(resumed) == [5, 6, 7, 8]
    for step, expected in whole.items():
        found = first.get(step) or resumed[step]
        assert found == pytest.approx(expected, rel=1e-6), step

    # The weights are the same too, the average included.
    a, b = (read_checkpoint(folder / 'epoch_4.pth') for folder in (trained, work))
    for key in ('state_dict', 'ema_state_dict'):
        for name, value in a[key].items():
            torch.testing.assert_close(b[key][name], value, rtol=1e-4, atol=1e-5, msg=name)
