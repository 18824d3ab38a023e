"""Percentiles, split times, memory, cached results: numbers that can be checked by hand."""
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from medseg.benchmark import machine
from medseg.benchmark.complexity import complexity
from medseg.benchmark.latency import (
    NotSupported,
    Stopwatch,
    check_precision,
    summarise,
    time_model,
    watch_postprocessing,
)
from medseg.benchmark.memory import MIB, PeakMemory, training_memory
from medseg.benchmark.result_cache import ResultCache, file_hash
from medseg.benchmark.worker import Worker
from medseg.engine.adapt_config import adapt_config
from projects.lmsfa import paper  # noqa: F401  (registers how it counts)

LMSFA = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp('no_data')
    return adapt_config(Config.fromfile(LMSFA), size=64, data_root=root)


def test_percentiles():
    rounds = [dict(preprocessing=[0.001] * 50, network=list(np.arange(1, 51) / 1000),
                   postprocessing=[0.002] * 50, total=list(np.arange(1, 51) / 1000),
                   images='drawn', instances=3, separable=True),
              dict(preprocessing=[0.001] * 51, network=list(np.arange(51, 102) / 1000),
                   postprocessing=[0.002] * 51, total=list(np.arange(51, 102) / 1000),
                   images='drawn', instances=5, separable=True)]
    result = summarise(rounds)
    assert result['total'] == {'p50_ms': 51, 'p95_ms': 96, 'p99_ms': 100}  # of 1 .. 101 ms
    assert result['fps'] == pytest.approx(1000 / 51, abs=0.01)
    assert result['round_medians_ms'] == [25.5, 76.0]
    assert (result['rounds'], result['iterations'], result['instances']) == (2, 101, 4)


def test_stopwatch_counts_outermost_calls_once():
    watch = Stopwatch(torch.device('cpu'))
    inner = watch.wrap(lambda: time.sleep(0.02))
    outer = watch.wrap(lambda: inner())
    outer()
    assert 0.02 <= watch.total < 0.04


def test_half_precision_reaches_postprocessing_as_float32():
    seen = []
    wrapped = Stopwatch(torch.device('cpu')).wrap(
        lambda a, b=None: seen.extend([a[0].dtype, b.dtype]))
    wrapped([torch.zeros(1, dtype=torch.bfloat16)], b=torch.zeros(1, dtype=torch.int64))
    assert seen == [torch.float32, torch.int64]


def test_proposals_are_part_of_the_network():
    class Head(nn.Module):
        def predict_by_feat(self):
            time.sleep(0.01)

    model, watch = nn.Module(), Stopwatch(torch.device('cpu'))
    model.rpn_head, model.mask_head = Head(), Head()
    assert watch_postprocessing(model, watch) == 1
    model.rpn_head.predict_by_feat()
    assert watch.total == 0
    model.mask_head.predict_by_feat()
    assert 0.01 <= watch.total < 0.05


def test_latency_parts_add_up(small):
    result = time_model(small, None, 'cpu', 'fp32', fuse=True, iterations=2, warm_up=1)
    assert result['separable']
    assert result['images'].startswith('drawn, 1080x720, as there is no folder')
    for i in range(2):
        parts = [result[p][i] for p in ('preprocessing', 'network', 'postprocessing')]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(result['total'][i], rel=1e-6)


def test_unsupported_precision(monkeypatch):
    from medseg.benchmark import latency
    monkeypatch.setattr(latency.Path, 'read_text', lambda *a, **k: 'flags : sse2 avx2')
    with pytest.raises(NotSupported, match='no bf16'):
        check_precision('bf16', torch.device('cpu'))
    check_precision('fp32', torch.device('cpu'))


def test_peak_memory_sees_what_was_freed():
    with PeakMemory(torch.device('cpu')) as peak:
        block = torch.ones(64 * MIB // 4)
        del block
    assert 60 * MIB < peak.bytes < 100 * MIB


def test_training_memory(small):
    result = training_memory(small, 64, 2, 'cpu')
    assert result['mib'] > 1 and result['batch'] == 2 and np.isfinite(result['loss'])


def test_worker(small, tmp_path):
    """A process of its own: 1.8 M parameters are 7 MiB; errors are answers; it can be replaced."""
    path, broken = tmp_path / 'small.py', tmp_path / 'broken.py'
    path.write_text(small.pretty_text)
    broken.write_text(small.pretty_text + "\nmodel['mask_head']['type'] = 'NoSuchHead'\n")
    worker = Worker(timeout=300)
    request = dict(measure='inference_memory', size=64, device_name='cpu', fuse=True)
    assert 'NoSuchHead' in worker.ask(config=str(broken), **request)['error']
    assert 7 < worker.ask(config=str(path), **request)['ok']['mib'] < 500
    worker.close()


@pytest.mark.parametrize('code, limit, told', [
    ('import os\nprint("hello", flush=True)\nos.kill(os.getpid(), 9)', 300,
     'the process ended: hello'),
    ('import time\ntime.sleep(60)', 1, 'gave no answer in 1 s')])
def test_worker_that_dies_or_hangs(tmp_path, code, limit, told):
    """The error says so, and the next request gets a process of its own."""
    path = tmp_path / 'bad.py'
    path.write_text(f'_base_ = []  # plain Python\n{code}')
    worker = Worker(timeout=limit)
    request = dict(measure='complexity', config=str(path), size=64)
    assert told in worker.ask(**request)['error']
    path.write_text('model = dict(type="NoSuchModel")')
    assert 'NoSuchModel' in worker.ask(**request)['error']
    worker.close()


def test_complexity_in_both_conventions(small):
    result = complexity(small, 640)
    assert result['parameters'] == 1_829_607
    assert result['flops'] == 2 * result['macs']
    assert result['flops'] / 1e9 == pytest.approx(8.17, abs=0.005)
    assert result['paper_gflops'] == pytest.approx(8.80, abs=0.005)  # the paper prints 8.8
    assert result['fused_flops'] < result['flops']


def test_result_cache(tmp_path):
    store = ResultCache(tmp_path / 'cache')
    path = store.path('a', 'latency', dict(size=64, weights='x'))
    assert store.get(path) is None
    store.put(path, dict(ms=1.5), model='a')
    assert store.get(path) == dict(ms=1.5)
    assert store.path('a', 'latency', dict(weights='x', size=64)) == path
    assert store.path('a', 'latency', dict(size=64, weights='y')) != path
    assert [p.name for p in store.folder.iterdir()] == [path.name]  # nothing temporary is left
    file = tmp_path / 'weights.pth'
    file.write_bytes(b'abc')
    assert file_hash(file).startswith('ba7816bf')  # FIPS 180-2
    assert file_hash(None) is None


def test_machine():
    told = machine.describe('cpu')
    assert told['threads'] == torch.get_num_threads() and told['device'] == 'cpu'
    assert 'host' not in machine.identity(told)
    assert machine.pick_device('cpu') == torch.device('cpu')
    assert SimpleNamespace(**told).torch == torch.__version__
