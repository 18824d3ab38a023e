"""Arrows of the house point one way; the runtime is light, and importing ``medseg`` loads nothing.

The imports are read from the source, those inside functions too, so nothing has to be installed.
"""
import subprocess
import sys

import pytest
from tool_runs import ROOT, load_tool

FILES = sorted(path for folder in ('medseg', 'projects', 'tools')
               for path in (ROOT / folder).rglob('*.py'))
#: What the runtime may import beside the standard library and the ground.
BACKENDS = {'numpy', 'cv2', 'onnxruntime', 'openvino', 'imageio_ffmpeg'}
GROUND = {'medseg', 'medseg.errors', 'medseg.io'}
TOOL = load_tool('tools/docs/draw_architecture.py')
FLOOR = {part: floor for floor, parts in enumerate(TOOL.FLOORS) for part in parts}


def wrong(path: str, name: str) -> str | None:
    """Why a file must not import a module; None where it may."""
    own, other = path.removesuffix('.py').split('/'), name.split('.')
    if other[0] == 'tools' and own[0] != 'tools':
        return 'nothing imports the tools'
    if own[0] == 'medseg' and other[0] == 'projects':
        return 'the library knows no project'
    if own[0] == 'projects' and other[0] == 'projects' and own[1] != other[1] \
            and own[1:2] + other[1:2] != ['lmsfa', 'baselines']:
        return 'projects are independent (but LMSF-A builds on its baselines)'
    if own[:2] == ['medseg', 'runtime']:
        allowed = (other[0] in sys.stdlib_module_names or other[0] in BACKENDS or name in GROUND
                   or other[:2] == ['medseg', 'runtime'])
        return None if allowed else 'the runtime imports numpy, OpenCV and a backend, no more'
    if own[0] == 'medseg' and other[0] == 'medseg' and len(other) > 1 and len(own) > 1 \
            and own[1] != other[1] and FLOOR.get(other[1], -1) >= FLOOR.get(own[1], -1) \
            and own[1] != '__init__' and other[1] != '__version__':
        return f'{other[1]} does not lie below {own[1]}'
    return None


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arrows(path):
    relative = path.relative_to(ROOT).as_posix()
    faults = [f'{relative}:{line}: {name}: {reason}' for line, name in TOOL.imports(path)
              if (reason := wrong(relative, name))]
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize('path, name, told', [
    ('medseg/data/check.py', 'projects.lmsfa', 'the library knows no project'),
    ('medseg/benchmark/a.py', 'tools.train', 'nothing imports the tools'),
    ('projects/baselines/a.py', 'projects.lmsfa.models', 'projects are independent'),
    ('medseg/runtime/a.py', 'torch', 'no more'), ('medseg/runtime/a.py', 'medseg.data', 'no more'),
    ('medseg/data/a.py', 'medseg.engine.fuse', 'engine does not lie below data'),
    ('medseg/data/a.py', 'medseg.runtime.labels', None), ('medseg/runtime/a.py', 'cv2', None),
    ('projects/lmsfa/a.py', 'projects.baselines.c3k2', None),
    ('tools/a.py', 'projects.lmsfa', None)])
def test_wrong_arrows_are_seen(path, name, told):
    found = wrong(path, name)
    assert found is None if told is None else told in found


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh process has loaded after running ``code``."""
    script = f'{code}\nimport sys; print(" ".join({{name.split(".")[0] for name in sys.modules}}))'
    done = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True,
                          check=True, timeout=60)
    return set(done.stdout.split())


HEAVY = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmdeploy', 'matplotlib', 'scipy', 'pycocotools'}


def test_importing_the_library_loads_nothing():
    assert not loaded_by('import medseg') & (HEAVY | {'numpy', 'cv2'})


@pytest.mark.parametrize('code', ['from medseg.runtime import Segmenter',
                                  'import medseg.runtime.__main__'])
def test_the_runtime_is_light(code):
    found = loaded_by(code)
    assert {'numpy', 'cv2'} <= found and not found & HEAVY


def test_converters_and_generators_need_no_torch():
    code = 'import medseg.data.convert.labelme_reader, projects.lmsfa.datasets.synpeld'
    assert not loaded_by(code) & {'torch', 'mmengine', 'mmdet'}


def test_the_picture_shows_every_part(tmp_path):
    """Both what the tool draws today and the picture in the documents."""
    assert TOOL.main(['--out', str(tmp_path / 'a.svg')]) == 0
    for path in (tmp_path / 'a.svg', ROOT / 'docs/images/architecture.svg'):
        text = path.read_text(encoding='utf-8')
        missing = [part for part in TOOL.part_arrows()
                   if part.removeprefix('medseg.') not in TOOL.GROUND
                   and f'>{part.removeprefix("medseg.")}</text>' not in text]
        assert not missing, f'{path}: make it again with tools/docs/draw_architecture.py'


def test_arrows_that_follow_from_others_are_left_out():
    arrows = {'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}
    assert TOOL.reduced(arrows) == {'a': {'b'}, 'b': {'c'}, 'c': set()}
