"""Networks on the same volumes: figures, paired differences, and what cannot be compared."""
import json

import pytest

from medseg.errors import UserError
from projects.lightmedseg.volume_comparison import compare_volumes, comparison_table


def write(path, scores, **changes):
    """Cases of three patients, of whom p1 has two; Dice of the region `core` by case."""
    records = [dict(case=case, patient=case[:2], dice={'whole': 0.9, 'core': value},
                    hd95={'whole': 2.0, 'core': None}, nsd={'whole': 1.0, 'core': value})
               for case, value in scores.items()]
    records[0].update(changes)
    path.write_text(json.dumps(records))
    return path


A = {'p1_a': 0.4, 'p1_b': 0.6, 'p2_a': 0.8, 'p3_a': 0.9}


def test_patients_count_once_and_differences_are_paired(tmp_path):
    runs = {'A': write(tmp_path / 'a.json', A),
            'B': write(tmp_path / 'b.json', {case: value - 0.1 for case, value in A.items()})}
    found = compare_volumes(runs, 'A', resamples=200)
    dice = found['networks']['A']['dice']
    assert found['patients'] == 3 and found['regions'] == ['whole', 'core']
    assert dice['regions']['core'] == pytest.approx((0.5 + 0.8 + 0.9) / 3)
    assert dice['mean'] == pytest.approx((0.9 + 2.2 / 3) / 2)
    low, high = dice['interval']
    assert (0.9 + 0.5) / 2 <= low < dice['mean'] < high <= 0.9
    # Every patient loses 0.1 in one of two regions: the paired difference has no spread.
    other = found['networks']['B']['dice']
    assert [other['less'], *other['less_interval']] == pytest.approx([-0.05] * 3)
    assert 'less' not in dice
    # A region without a figure is left out.
    assert found['networks']['A']['hd95']['mean'] == 2.0
    table = comparison_table(found).splitlines()
    assert table[0].startswith('| network | Dice | Dice less A | whole | core | HD95, mm |')
    assert '| -5.0 (-5.0 to -5.0) | 90.0 | 63.3 |' in table[3]


@pytest.mark.parametrize('change, message', [
    (dict(case='p1_x'), 'other cases than .*, such as p1_a'),
    (dict(case='p2_a'), 'case p2_a is there twice'),
    (dict(dice={'core': 0.1}), 'case p1_a has other regions'),
    (dict(nsd=None), None)])
def test_runs_that_cannot_be_compared(tmp_path, change, message):
    good, bad = write(tmp_path / 'a.json', A), write(tmp_path / 'b.json', A, **change)
    if message is None:
        records = json.loads(bad.read_text())
        del records[0]['nsd']
        bad.write_text(json.dumps(records))
        message = 'case 0 has no "nsd"'
    with pytest.raises(UserError, match=message):
        compare_volumes({'A': good, 'B': bad})


def test_unknown_reference(tmp_path):
    with pytest.raises(UserError, match='--reference C: no --run has this label, but A'):
        compare_volumes({'A': write(tmp_path / 'a.json', A)}, 'C')
