"""tools/analysis_tools/scaling.py: growth with the input, the batch and the instances."""
import json

import numpy as np
import pytest
from runtime_models import METADATA, constant_model, raw_outputs
from tool_runs import load_tool

TOOL = 'tools/analysis_tools/scaling.py'


@pytest.fixture
def raw(tmp_path):
    return constant_model(tmp_path / 'raw.onnx', raw_outputs(), dict(METADATA, kind='raw'))


def test_report_and_table(raw, tmp_path, capsys):
    document = tmp_path / 'speed.md'
    document.write_text('<!-- table: scaling -->\nold\n<!-- end of table -->\n')
    words = [str(raw), '--sizes', '64', '128', '--batches', '1', '--instances', '0', '4', '8', '16',
             '--calls', '1', '--backend', 'onnxruntime']
    tool = load_tool(TOOL)
    assert tool.main([*words, '--limit', '9', '--json', str(tmp_path / 's.json'), '--docs',
                      str(document), '--plot', str(tmp_path / 's.svg')]) == 0
    drawing = (tmp_path / 's.svg').read_text()
    assert drawing.startswith('<svg') and drawing.count('>linear<') == 3
    report = json.loads((tmp_path / 's.json').read_text())
    assert [point['value'] for point in report['size']] == [64, 128]
    assert [point['value'] for point in report['batch']] == [1]
    assert [point['value'] for point in report['instances']] == [0, 4, 8, 16]
    assert all(point['ms'] > 0 for point in report['instances'])
    lines = document.read_text().splitlines()
    assert lines[1] == '| what | ms | MiB |' and len([x for x in lines if x[:2] == '| ']) == 9
    # Times are noisy here; that the limit decides is not.
    assert tool.main([*words, '--limit', '-9']) == 1
    assert 'over instances.' in capsys.readouterr().out


@pytest.mark.parametrize('sizes, times, expected', [
    ([1, 2, 4], [3, 6, 12], 1), ([1, 2, 4], [3, 12, 48], 2), ([0, 10, 100], [9, 5, 5], 0)])
def test_exponent(sizes, times, expected):
    tool = load_tool(TOOL)
    assert tool.exponent(sizes, times) == pytest.approx(expected)
    assert tool.exponent(sizes[:1], times[:1]) is None


def test_made_up_instances_are_found_once_each():
    tool = load_tool(TOOL)
    outputs = tool.made_up_outputs(23, 2, 3)
    assert outputs['boxes'].shape == (1, 8400, 4)
    assert outputs['prototypes'].shape == (1, 3, 160, 160)
    assert (outputs['scores'] > 0.5).sum() == 3 * 23
    reader = tool.Postprocessor(dict(METADATA, kind='raw'), 0.5)
    found = reader(outputs, tool.Geometry((640, 640), (640, 640), (640, 640)))
    assert len(found) == 23 and found.masks.shape == (23, 640, 640)
    assert np.allclose(found.boxes[20:].min(0), [0, 0, 24, 24] + np.float32([0, 32, 0, 32]))


def test_wrong_input(raw, tmp_path, error_of):
    fixed = constant_model(tmp_path / 'fixed.onnx', raw_outputs(),
                           dict(METADATA, kind='raw', input_size=[64, 64]), size=(64, 64))
    assert 'is no dynamic raw export' in error_of(TOOL, fixed)
    assert 'must be multiples of 32' in error_of(TOOL, raw, '--sizes', 100)
    assert 'batch 2 at 320x320 failed: ' in error_of(  # this file has room for one image
        TOOL, raw, '--sizes', 64, '--batches', 2, '--calls', 1)
    assert 'must be 0 to 400' in error_of(TOOL, raw, '--instances', 500)
    assert 'must end in .svg' in error_of(TOOL, raw, '--plot', tmp_path / 'a.png')
    assert 'no such document' in error_of(TOOL, raw, '--docs', tmp_path / 'no.md')
