"""The wheel: what is in it, and that its runtime works where no PyTorch is."""
import os
import subprocess
import sys
import zipfile

import pytest
from runtime_models import METADATA, constant_model, raw_outputs
from tool_runs import ROOT

#: What the runtime needs, at the tested versions.
RUNTIME = ('numpy', 'opencv-python-headless', 'onnxruntime')


def run(*words, **kwargs):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=300, stdin=subprocess.DEVNULL, **kwargs)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel of the checkout, built from a copy of what is in version control."""
    folder = tmp_path_factory.mktemp('wheel')
    files = run('git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z', cwd=ROOT)
    for name in files.split('\0'):
        if name and not name.startswith(('docs/', 'tests/')) and (ROOT / name).is_file():
            target = folder / 'source' / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    run(sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--wheel-dir',
        folder, folder / 'source')
    return next(folder.glob('*.whl'))


def test_content(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {'medseg/runtime/segmenter.py', 'medseg/deploy/tensorrt_operators.json',
            'medseg/.mim/configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
            'medseg/.mim/projects/lmsfa/models.py', 'medseg/.mim/tools/train.py'} <= names
    # no top-level package but one: MMDetection's checkout has a `projects` of its own
    tops = {name.split('/')[0] for name in names}
    assert len(tops) == 2 and tops - {'medseg'} == {
        name for name in tops if name.endswith('.dist-info')}
    assert not any('__pycache__' in name for name in names)


def test_needs_the_runtimes_packages_alone(wheel):
    with zipfile.ZipFile(wheel) as file:
        text = file.read(next(n for n in file.namelist() if n.endswith('METADATA'))).decode()
    lines = [line.split(':', 1)[1].strip() for line in text.splitlines()
             if line.startswith('Requires-Dist')]
    plain = [line for line in lines if 'extra ==' not in line]
    assert sorted(line.split('>')[0].split('=')[0] for line in plain) == sorted(RUNTIME)
    extras = {line.split(':')[1].strip() for line in text.splitlines()
              if line.startswith('Provides-Extra')}
    assert {'train', 'deploy', 'live', 'tests', 'dev'} <= extras
    assert any(line.startswith('torch') and 'train' in line for line in lines)


def test_the_runtime_in_a_fresh_environment(wheel, tmp_path):
    """Installed with pip, without PyTorch, away from the checkout."""
    run(sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv')
    python = tmp_path / 'venv' / 'bin' / 'python'
    pins = [line.split('#')[0].strip() for name in ('runtime', 'deploy')
            for line in (ROOT / f'requirements/{name}.txt').read_text().splitlines()
            if line.startswith(RUNTIME)]
    assert len(pins) == len(RUNTIME)
    run(sys.executable, '-m', 'pip', '--python', python, 'install', '--no-compile',
        '--disable-pip-version-check', wheel, *pins)
    model = constant_model(tmp_path / 'm.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    out = run(python, '-c', f"""
import importlib.util
import numpy as np
import medseg
from medseg.runtime import Segmenter
found = Segmenter({str(model)!r})(np.full((64, 64, 3), 9, np.uint8))
print(medseg.__file__)
print(len(found.scores), importlib.util.find_spec('torch'))
""", cwd=tmp_path, env=env)
    assert str(tmp_path / 'venv') in out and out.splitlines()[-1] == '2 None'
    assert 'usage' in run(python, '-m', 'medseg.runtime', '--help', cwd=tmp_path, env=env)


def test_configs_find_their_projects_where_only_the_wheel_is(wheel, tmp_path):
    """The wheel unpacked on the path, away from the checkout: a model of a project is built."""
    zipfile.ZipFile(wheel).extractall(tmp_path / 'site')
    out = run(sys.executable, '-c', '''
import os, sys
# an installed checkout is on the path too
sys.path = [p for p in sys.path if not os.path.isdir(os.path.join(p, "projects"))]
from medseg.engine import compat
from medseg.paths import shipped_root
compat.setup()
from mmengine.config import Config
from medseg.engine.building import build_model
config = Config.fromfile(shipped_root() / "configs/lmsfa/lmsfa-n_1xb8-300e_peld.py")
print(type(build_model(config).mask_head).__module__)
print(sys.modules["projects"].__file__)
''', cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')})
    assert out.splitlines()[-2] == 'projects.lmsfa.heads.lms_head'
    assert str(tmp_path / 'site') in out.splitlines()[-1]


def test_live_in_a_fresh_environment(wheel, tmp_path):
    """The extra brings the page and no PyTorch: an image, a clip and the page run there."""
    import re
    import time
    from urllib.request import urlopen

    import cv2
    import numpy as np

    from medseg.runtime.video import VideoReader, VideoWriter

    run(sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv')
    python = tmp_path / 'venv' / 'bin' / 'python'
    pins = [line.split('#')[0].strip() for name in ('runtime', 'deploy')
            for line in (ROOT / f'requirements/{name}.txt').read_text().splitlines()
            if line.startswith(RUNTIME)]
    run(sys.executable, '-m', 'pip', '--python', python, 'install', '--no-compile',
        '--disable-pip-version-check', f'{wheel}[live]', *pins)
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    for name in ('torch', 'mmengine', 'mmcv', 'mmdet'):
        assert run(python, '-c', 'import importlib.util as u; '
                   f'print(u.find_spec({name!r}))', env=env, cwd=tmp_path) == 'None\n'
    model = constant_model(tmp_path / 'm.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    cv2.imwrite(str(tmp_path / 'i.png'), np.full((64, 64, 3), 90, np.uint8))
    with VideoWriter(tmp_path / 'c.mp4', 25) as writer:
        for level in range(10):
            writer.write(np.full((64, 64, 3), 10 * level, np.uint8))
    run(python, '-m', 'medseg.runtime', model, tmp_path / 'i.png', '--out', tmp_path / 'out',
        cwd=tmp_path, env=env)
    assert (tmp_path / 'out/overlays/i.png').is_file()
    run(python, '-m', 'medseg.live', model, tmp_path / 'c.mp4', '--no-page', '--every-frame',
        '--record', tmp_path / 'r.mp4', cwd=tmp_path, env=env)
    assert len(list(VideoReader(tmp_path / 'r.mp4'))) == 10
    assert '| 1 |' in run(python, '-m', 'medseg.live.start', model, tmp_path / 'c.mp4',
                          '--runs', '1', cwd=tmp_path, env=env)
    for module in ('benchmark', 'stability'):
        assert 'usage' in run(python, '-m', f'medseg.live.{module}', '--help', cwd=tmp_path,
                              env=env)
    began = time.monotonic()
    page = subprocess.Popen([python, '-u', '-m', 'medseg.live', model, tmp_path / 'c.mp4',
                             '--port', '0'], stdout=subprocess.PIPE, text=True, cwd=tmp_path,
                            env=env)
    try:
        address = re.match(r'http://\S+', page.stdout.readline())[0]
        assert 'medseg live' in urlopen(address, timeout=60).read().decode()
        assert len(urlopen(f'{address}static/app.js', timeout=60).read()) > 5000
        took = time.monotonic() - began
    finally:
        page.terminate()
        page.communicate(timeout=60)
    size = sum(path.stat().st_size for path in (tmp_path / 'venv').rglob('*')
               if path.is_file() and not path.is_symlink())
    print(f'page served after {took:.1f} s, environment {size / 2**20:.0f} MB')
    assert page.returncode == 0
