"""Files of PyTorch are read in one place, and nothing in the project runs what a file holds."""
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tool_runs import ROOT

#: Calls that run or build what a file asks for, and where they may stand.
GUARDED = {'torch.load': {'medseg/engine/checkpoint_file.py'}, 'torch.jit.load': set(),
           'pickle.load': set(), 'pickle.loads': set(), 'pickle.Unpickler': set(),
           'dill.load': set(), 'joblib.load': set(), 'yaml.unsafe_load': set(),
           'yaml.full_load': set(), 'eval': set(), 'exec': set(), 'os.system': set()}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Dotted name and node of every call in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_calls_that_run_what_a_file_holds():
    found = {(name, path.relative_to(ROOT).as_posix())
             for folder in ('medseg', 'projects', 'tools') for path in (ROOT / folder).rglob('*.py')
             for name, _ in calls(path) if name in GUARDED}
    assert found == {(name, place) for name, places in GUARDED.items() for place in places}


@pytest.mark.parametrize('folder', ['medseg', 'projects', 'tools', 'tests'])
def test_no_call_asks_for_objects(folder):
    """``weights_only=False``, ``allow_pickle=True`` and a shell occur nowhere."""
    for path in (ROOT / folder).rglob('*.py'):
        for name, node in calls(path):
            given = {word.arg: word.value.value for word in node.keywords
                     if isinstance(word.value, ast.Constant)}
            assert given.get('weights_only') is not False, f'{path}: {name}'
            assert given.get('allow_pickle') is not True, f'{path}: {name}'
            assert given.get('shell') is not True, f'{path}: {name}'
