"""Trainings at several batch sizes: names, learning rates, accumulated steps, the table."""
import json

import pytest
from tool_runs import load_tool, write_tiny_config

from medseg.cli import load_config
from medseg.engine.adapt_config import adapt_config
from medseg.engine.building import build_model
from projects.lmsfa.paper import STUDIES

BASE = 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-adamw-30e_synpeld.py'  # rate 0.002 at batch 8


@pytest.mark.parametrize(('batch', 'accumulate', 'rule', 'rate'), [
    (8, 1, 'linear', 2e-3), (1, 1, 'linear', 2.5e-4), (2, 1, 'sqrt', 1e-3), (2, 1, 'none', 2e-3),
    (1, 8, 'linear', 2e-3), (2, 4, 'sqrt', 2e-3),
])
def test_learning_rate_by_the_images_of_a_step(batch, accumulate, rule, rate):
    config = adapt_config(load_config(BASE), batch_size=batch, accumulate=accumulate,
                          scale_lr=rule)
    assert config.optim_wrapper.optimizer.lr == pytest.approx(rate)
    assert config.train_dataloader.batch_size == batch
    assert config.optim_wrapper.get('accumulative_counts', 1) == accumulate
    ema = next(hook for hook in config.custom_hooks if hook['type'] == 'EMAHook')
    assert ema['momentum'] == pytest.approx(0.005 * batch / 8)  # the window holds as many images
    assert ema['gamma'] == 300 * 8 / batch


def test_every_batch_size_of_a_config(tmp_path, capsys):
    tool, config = load_tool('tools/benchmark.py'), str(write_tiny_config(tmp_path))
    words = ['--train', config, '--budget', '2', '--out', str(tmp_path / 'out'), '--device', 'cpu',
             '--batch-size', '1', '2', '4']
    args = tool.parse_args([*words, '--accumulate-to', '4', '--scale-lr', 'linear'])
    runs = tool.prepare_runs(args, tool.entries(args.models)[0])
    assert [run.name for run in runs] == [
        f'tiny-{variant}-seed0' for variant in ('batch1', 'batch2', 'batch4', 'batch1x4',
                                                'batch2x2')]
    assert len({str(run.settings) for run in runs}) == 1
    for wrong in ([], ['--accumulate-to', '4'], ['--accumulate-to', '6', '--scale-lr', 'sqrt']):
        with pytest.raises(SystemExit):
            tool.parse_args([*words, *wrong])
    assert 'is no multiple' in capsys.readouterr().err


def test_models_of_the_study():
    counts = {}
    for row in STUDIES['small-batch'].rows:
        model = build_model(load_config(row.config))
        kinds = [type(module).__name__ for module in model.modules()]
        counts[row.name] = (kinds.count('BatchNorm2d') > 0, kinds.count('GroupNorm') > 0)
    assert list(counts.values()) == [(True, False), (False, True), (True, True), (False, True),
                                     (True, True)]


def test_table_of_batch_sizes(tmp_path, capsys, error_of):
    name, path = 'tools/analysis_tools/batch_study.py', tmp_path / 'results.json'
    runs = [dict(status='finished', config=f'x/{stem}_1xb8-300e_peld.py', fold=None, seed=seed,
                 variant=variant, metrics={'coco/segm_mAP': value},
                 intervals={'segm': {'mAP': [value - 0.1, value + 0.1]}})
            for stem, variant, seed, value in (
                ('lmsfa-n_base', 'batch8', 0, 0.4), ('lmsfa-n_base', 'batch8', 1, 0.42),
                ('lmsfa-n_base', 'batch1', 0, 0.2), ('lmsfa-n_base', 'batch1x8', 0, 0.3),
                ('lmsfa-n_base-gn', 'batch1', 0, 0.35))]
    path.write_text(json.dumps({'runs': runs}))
    assert load_tool(name).main([str(path), '--plot', str(tmp_path / 'p.svg')]) == 0
    out = capsys.readouterr().out
    assert '| model | batch 1 | batch 8 | batch 1x8 |' in out
    assert ('| row 1, BatchNorm | 20.0 (10.0 to 30.0) | 41.0 ± 1.4 (31.0 to 51.0) | '
            '30.0 (20.0 to 40.0) |') in out
    assert '| row 1, GroupNorm | 35.0 (25.0 to 45.0) | - | - |' in out
    assert 'row 1, GroupNorm' in (tmp_path / 'p.svg').read_text()
    path.write_text(json.dumps({'runs': []}))
    assert 'no finished training at a batch size' in error_of(name, path)
