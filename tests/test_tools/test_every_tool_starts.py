"""Every tool answers --help from any folder, where only ``medseg`` is installed."""
import json
import os
import subprocess
import sys

import pytest
from tool_runs import ROOT

#: Without the stubs of old addresses, which run one of these.
TOOLS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').rglob('*.py')
               if not path.read_text(encoding='utf-8').startswith('"""Address of release 0.1'))
#: A fork per tool, after the packages that cost most are loaded, and nothing of the project.
SCRIPT = '''
import contextlib, importlib.util, io, json, os, runpy, sys, traceback
from pathlib import Path

import mmcv.ops, mmdet.apis, mmdet.evaluation, mmdet.models, onnxruntime, surface_distance

out, root, *tools = sys.argv[1:]
# An installed checkout may be on the path; `projects` must be found without that.
sys.path = [path for path in sys.path[1:] if not os.path.isdir(os.path.join(path, 'projects'))]
assert importlib.util.find_spec('projects') is None and 'medseg' not in sys.modules
for tool in tools:
    if os.fork():
        os.wait()
        continue
    sys.path.insert(0, str(Path(root, tool).parent))  # as `python TOOL` does
    sys.argv = [tool, '--help']
    text, code = io.StringIO(), 'no exit'
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            runpy.run_path(str(Path(root, tool)), run_name='__main__')
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
    Path(out, tool.replace('/', '+')).write_text(json.dumps([code, text.getvalue()]))
    os._exit(0)
'''


@pytest.fixture(scope='module')
def helps(tmp_path_factory):
    """Folder with exit code and output of each tool, of one process away from the checkout."""
    folder = tmp_path_factory.mktemp('helps')
    (folder / 'site').mkdir()
    (folder / 'site' / 'medseg').symlink_to(ROOT / 'medseg')
    env = {**os.environ, 'PYTHONPATH': str(folder / 'site'), 'OMP_NUM_THREADS': '1'}
    subprocess.run([sys.executable, '-c', SCRIPT, folder, ROOT, *TOOLS], cwd=folder / 'site',
                   env=env, check=True, timeout=300)
    return folder


@pytest.mark.parametrize('tool', TOOLS)
def test_help(helps, tool):
    code, text = json.loads((helps / tool.replace('/', '+')).read_text())
    assert code == 0 and 'usage: ' in text, text
