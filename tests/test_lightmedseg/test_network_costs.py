"""tools/analysis_tools/compare_volume_networks.py: sums, ratios and the document's table."""
import json

import pytest
from tool_runs import load_tool

from projects.lightmedseg.network_costs import by_module, ratio

TOOL = load_tool('tools/analysis_tools/compare_volume_networks.py')
A = 'configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py'
UNET = 'configs/lightmedseg/peers/unet-0.5m_1xb2-60e_synbrain-lesion.py'


def test_modules_add_up_and_stand_in_the_document():
    rows = by_module(128)
    assert sum(count for _, count, _ in rows) == 480_084
    assert sum(flops for *_, flops in rows) == pytest.approx(14.671, rel=5e-3)
    text = open('docs/lightmedseg.md', encoding='utf-8').read()
    for name, count, flops in rows:
        assert f'| {name} | {count:,} | {flops:.3f} |' in text


def test_ratio_is_taken_round_by_round():
    """Where the machine slows down for one round, both models slow down."""
    assert ratio([10, 100, 12], [5, 50, 6]) == 2


def test_networks_side_by_side(tmp_path, capsys):
    document = tmp_path / 'doc.md'
    document.write_text('<!-- table: network-costs -->\n<!-- end of table -->\n')
    assert TOOL.main([A, UNET, '--size', '32', '--memory-sizes', '32', '--rounds', '1',
                      '--threads', '1', '--json', str(tmp_path / 'out.json'),
                      '--write', str(document)]) == 0
    first, second = json.loads((tmp_path / 'out.json').read_text())['rows']
    assert (first['parameters'], second['parameters']) == (480_084, 497_116)
    assert first['ratio'] == 1 and second['ratio'] > 0
    assert min(row['mib']['32'] for row in (first, second)) > 10
    assert '| unet-0.5m | 497,116 |' in document.read_text()
    assert 'load' in capsys.readouterr().out
