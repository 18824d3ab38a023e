"""Arrows of the house point one way; the runtime is light, and importing ``medseg`` loads nothing.

The imports are read from the source, those inside functions too, so nothing has to be installed.
"""
import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for folder in ('medseg', 'projects', 'tools')
               for path in (ROOT / folder).rglob('*.py'))
#: What the runtime may import beside the standard library and the ground.
BACKENDS = {'numpy', 'cv2', 'onnxruntime', 'openvino', 'imageio_ffmpeg'}
GROUND = {'medseg', 'medseg.errors', 'medseg.io'}
#: Parts of the library by floor; a part imports its own floor's lower neighbours and below.
FLOORS = (
    {'errors', 'paths'}, {'io'}, {'tables', 'runtime'}, {'live', 'data'},
    {'metrics', 'models', 'configs'}, {'engine', 'cli'}, {'deploy', 'benchmark'})
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a file imports."""
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[:len(package) - node.level + 1]) if node.level else []
            name = '.'.join([*base, *([node.module] if node.module else [])])
            yield node.lineno, name
            if name in ('medseg', 'projects') or node.module is None:
                yield from ((node.lineno, f'{name}.{alias.name}') for alias in node.names)


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
    faults = [f'{relative}:{line}: {name}: {reason}' for line, name in imports(path)
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
