"""Patients that a difference needs: textbook numbers, the jackknife, simulated studies."""
import json

import numpy as np
import pytest
from tool_runs import load_tool

from medseg.metrics.bootstrap import mean_figures
from medseg.metrics.power import patients_needed, pseudo_values, simulated_power, t_power

TOOL = 'tools/analysis_tools/sample_size.py'


@pytest.mark.parametrize(('difference', 'sd', 'power', 'patients'), [
    (0.5, 1, 0.8, 34),   # Cohen's tables: a medium effect, paired, two-sided
    (0.2, 1, 0.8, 199),
    (0.8, 1, 0.8, 15),
    (0.5, 1, 0.9, 44),
    (5, 10, 0.8, 34),    # only the ratio counts
    (-5, 10, 0.8, 34),
    (0, 1, 0.8, None),
    (0.001, 1, 0.8, None),
])
def test_textbook_numbers(difference, sd, power, patients):
    assert patients_needed(difference, sd, power) == patients
    if patients:
        assert t_power(patients, difference, sd) >= power > t_power(patients - 1, difference, sd)


def test_pseudo_values_of_a_mean_are_the_patients_own_values():
    scores = np.array([1.0, 4.0, 2.0, 9.0])
    figure = mean_figures({'x': scores})
    assert pseudo_values(lambda w: figure(w)['x'], np.arange(4)) == pytest.approx(scores)
    # two images per patient
    assert pseudo_values(lambda w: figure(w)['x'], np.array([0, 0, 1, 1])) \
        == pytest.approx([2.5, 5.5])


def test_simulated_studies():
    pilot = np.random.default_rng(2).normal(0, 1, 500)
    assert simulated_power(pilot, 0.5, 34) == pytest.approx(t_power(34, 0.5, pilot.std()), abs=0.05)
    assert simulated_power(pilot, 0, 20) == pytest.approx(0.05, abs=0.025)  # false findings
    # four patients can hardly reach 0.05 by sign flips: two of sixteen are as extreme
    assert simulated_power(pilot, 3, 4) < 0.03


def test_tool_with_a_given_spread(capsys, tmp_path):
    tool, plot = load_tool(TOOL), tmp_path / 'power.svg'
    assert tool.main(['--sd', '10', '--difference', '5', '2', '--power', '0.8', '--patients', '34',
                      '--json', str(tmp_path / 'p.json'), '--plot', str(plot)]) == 0
    out = capsys.readouterr().out
    assert '| 5 | 34 | 0.81 |' in out and '| 2 | 199 | ' in out and '10.0 points' in out
    assert json.loads((tmp_path / 'p.json').read_text())['rows'][0]['needed'] == {'0.8': 34}
    assert '5 points' in plot.read_text()


def test_tool_with_pilots(capsys, tmp_path, predicted, error_of):
    tool, values = load_tool(TOOL), tmp_path / 'd.txt'
    values.write_text('1\n3\n5\n')
    assert tool.main(['--values', str(values), '--patients', '6']) == 0
    out = capsys.readouterr().out
    assert '2.0 points (95 % interval 1.0 to 12.6), from a pilot of 3' in out
    assert 'mean difference is +3.0' in out
    content, records = predicted
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    for name, found in (('a', records), ('b', [r for r in records if r['image_id'] % 2])):
        (tmp_path / f'{name}.segm.json').write_text(json.dumps(found))
    words = ['--ann', tmp_path / 'truth.json', '--run', tmp_path / 'a', '--run']
    assert tool.main([str(w) for w in (*words, tmp_path / 'b')]) == 0
    assert 'of the difference of mask mAP over images' in capsys.readouterr().out
    assert 'truth.json: 6 images with 1 different values' in error_of(TOOL, *words, tmp_path / 'a')
    values.write_text('1\nx\n')
    assert 'd.txt: is no list of numbers' in error_of(TOOL, '--values', values)
