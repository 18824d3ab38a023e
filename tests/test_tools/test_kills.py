"""A training that is killed at any moment, while it writes files too, goes on as if it was not."""
import os
import subprocess
import sys

from tool_runs import ROOT

#: Kills of this test; `python tests/kill_training.py --kills 30` is the thorough run.
KILLS = int(os.environ.get('KILLS', '3'))


def test_killed_trainings_end_as_if_left_alone():
    result = subprocess.run(
        [sys.executable, 'tests/kill_training.py', '--kills', str(KILLS)], cwd=ROOT, timeout=1500,
        capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert f'{KILLS} kills, every training resumed and ended the same' in result.stdout
