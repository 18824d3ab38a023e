"""tools/benchmark_latency.py and tools/analysis_tools/profile_runtime.py."""
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from runtime_models import METADATA, constant_model, raw_outputs
from tool_runs import ROOT, load_tool

from medseg.runtime.session import OnnxRuntimeSession

TOOL = 'tools/benchmark_latency.py'


def conv_model(path, convs, shape=('b', 3, 'h', 'w'), dtype=TensorProto.FLOAT):
    """Some 3x3 convolutions of 3 channels, in a row."""
    weight = numpy_helper.from_array(np.ones((3, 3, 3, 3), np.float32) / 27, 'w3')
    nodes = [helper.make_node('Conv', [f't{i}', 'w3'], [f't{i + 1}'], pads=[1] * 4)
             for i in range(convs)]
    graph = helper.make_graph(
        nodes, 'g', [helper.make_tensor_value_info('t0', dtype, shape)],
        [helper.make_tensor_value_info(f't{convs}', dtype, shape)], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8),
              path)
    return path


def test_needs_no_torch():
    program = (f'import sys, runpy; sys.argv = ["x", "--help"]\n'
               f'try: runpy.run_path({TOOL!r}, run_name="__main__")\n'
               'except SystemExit: print(sorted({"torch", "mmengine", "mmcv"} & set(sys.modules)))')
    result = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True,
                            text=True)
    assert result.stdout.splitlines()[-1] == '[]', result.stderr


def test_figures_and_table(tmp_path, capsys):
    small = conv_model(tmp_path / 'small.onnx', 1, ('b', 3, 'h', 'w'))
    large = conv_model(tmp_path / 'large.onnx', 24, (1, 3, 96, 96))
    document = tmp_path / 'doc.md'
    document.write_text('a\n<!-- table: t -->\nold\n<!-- end of table -->\nb\n')
    assert load_tool(TOOL).main([
        f'one={small}', str(large), '--threads', '1', '--rounds', '3', '--calls', '2', '--size',
        '96', '--json', str(tmp_path / 'f.json'), '--docs', str(document), '--table', 't']) == 0
    printed = capsys.readouterr().out
    assert 'threads 1' in printed and 'onnxruntime 1.' in printed
    report = json.loads((tmp_path / 'f.json').read_text())
    assert report['models'] == {'one': 'small.onnx', 'large': 'large.onnx'}
    for rows in report['results'].values():
        assert [row['model'] for row in rows] == ['one', 'large']
        assert rows[0]['ratio'] == 1.0
        assert rows[1]['ratio'] > 1.5  # 24 convolutions against one
        assert all(row['min_ms'] <= row['median_ms'] <= row['p95_ms'] for row in rows)
    lines = document.read_text().splitlines()
    assert lines[0] == 'a' and lines[-1] == 'b' and 'old' not in lines
    assert lines[2] == ('| model | ONNX Runtime, ms | 95 % | ratio | OpenVINO, ms | 95 % | ratio |')
    assert lines[4].startswith('| one | ') and lines[5].startswith('| large | ')
    assert '1 threads, ONNX Runtime 1.' in lines[7] and '3 rounds of 2 calls' in lines[7]


def test_turns_and_ratios():
    """Order and figures with a clock of our own: b takes twice as long as a."""
    tool = load_tool(TOOL)
    clock, order = [0.0], []

    def call(label, seconds):
        def run():
            order.append(label)
            clock[0] += seconds
        return run

    tool.time.perf_counter, original = (lambda: clock[0]), tool.time.perf_counter
    try:
        rows = tool.measure(dict(a=call('a', 0.01), b=call('b', 0.02)), 2, 2, 'x')
    finally:
        tool.time.perf_counter = original
    assert rows[1]['ratio'] == pytest.approx(2) and rows[1]['median_ms'] == pytest.approx(20)
    assert ''.join(order[6:]) == 'aaabbb' + 'bbbaaa'


def test_export_of_a_config(tmp_path, capsys):
    tool = load_tool('tools/analysis_tools/export_raw_onnx.py')
    config = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'
    operators = {}
    for words in ([], ['--no-fuse']):
        path = tmp_path / f'{len(words)}.onnx'
        assert tool.main([config, str(path), '--size', '64', '96', *words]) == 0
        session = OnnxRuntimeSession(path, 1)
        found = session.run({'input': np.zeros((1, 3, 64, 96), np.float32)})
        assert {name: array.shape for name, array in found.items()} == {
            'boxes': (1, 126, 4), 'scores': (1, 126, 4), 'coefficients': (1, 126, 32),
            'prototypes': (1, 32, 16, 24)}
        operators[path.stem] = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert operators['1']['ConvTranspose'] == 1 and operators['0']['ConvTranspose'] == 0
    assert tool.main(['configs/yolact/none.py', 'x.onnx']) == 2
    assert 'no such config' in capsys.readouterr().err


def test_wrong_input(tmp_path, error_of):
    assert 'none.onnx: no such file' in error_of(TOOL, tmp_path / 'none.onnx')
    model = conv_model(tmp_path / 'm.onnx', 1)
    assert 'two models have one label' in error_of(TOOL, model, model)
    assert 'no place' in error_of(TOOL, model, '--rounds', 1, '--docs', tmp_path / 'no place')
    flat = conv_model(tmp_path / 'flat.onnx', 0, ('b', 'n'))
    assert 'only images' in error_of(TOOL, flat)


def test_profile_of_the_runtime(tmp_path, capsys):
    model = constant_model(tmp_path / 'raw.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    tool = load_tool('tools/analysis_tools/profile_runtime.py')
    assert tool.main([str(model), '--size', '128x128', '--instances', '3', '--threads', '1',
                      '--calls', '2', '--json', str(tmp_path / 'p.json')]) == 0
    report = json.loads((tmp_path / 'p.json').read_text())
    assert report['instances'] == 3 and report['input'] == [64, 64]
    assert set(report['milliseconds']) == {'preprocessing', 'network', 'postprocessing'}
    assert tool.main([str(tmp_path / 'no.onnx')]) == 2
    assert 'no such file' in capsys.readouterr().err
