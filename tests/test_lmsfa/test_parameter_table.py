"""Parameters and FLOPs of the eight ablation rows against the design's table."""
import json

import pytest
from tool_runs import load_tool

ABLATION = 'configs/lmsfa/ablation/lmsfa-n_{}_1xb8-300e_peld.py'
# Parameters (without the three box scales of LMSH) and convolution FLOPs in G, 640x640.
ROWS = {
    ABLATION.format('base'): (3_264_380, 11.34, False),
    ABLATION.format('c2fpro'): (2_548_780, 9.69, False),
    ABLATION.format('neck'): (3_304_508, 11.75, False),
    ABLATION.format('lmsh'): (2_505_076, 9.42, True),
    ABLATION.format('c2fpro-neck'): (2_588_908, 10.10, False),
    ABLATION.format('c2fpro-lmsh'): (1_789_476, 7.77, True),
    ABLATION.format('neck-lmsh'): (2_545_204, 9.82, True),
    'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py': (1_829_604, 8.17, True),
}


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp('complexity') / 'table.json'
    assert load_tool('tools/complexity.py').main([*ROWS, '--size', '640', '--json', str(out)]) == 0
    return {row['config']: row for row in json.loads(out.read_text())}


@pytest.mark.parametrize('config', ROWS)
def test_row(table, config):
    parameters, gflops, has_scales = ROWS[config]
    row = table[config]
    assert row['parameters'] == parameters + 3 * has_scales
    assert row['flops'] == 2 * row['macs']
    assert row['flops'] / 1e9 == pytest.approx(gflops, rel=0.01)
