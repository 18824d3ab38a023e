"""Installs the library, ``medseg``; ``make install`` prepares everything it stands on.

The wheel needs the runtime's packages alone; extras bring the rest. Configs, tools and projects go
into it as OpenMMLab's packages carry theirs, in ``medseg/.mim``.
"""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'projects', 'tools')


class BuildWithConfigs(build_py):
    """Copies what is not part of the library into the wheel too."""

    def run(self) -> None:
        """Build, then copy; an editable installation has the folders themselves."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'medseg' / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        for name in SHIPPED:
            shutil.copytree(ROOT / name, target / name,
                            ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))


def read_requirements(name: str) -> list[str]:
    """Lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (line.split('#')[0].strip() for line in lines) if line]


def read_version() -> str:
    """``__version__`` of the project, read without importing it."""
    text = (ROOT / 'medseg' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


# Ranges, not the pins of requirements/, so that an environment with a CUDA build of PyTorch stays
# as it is. mmcv is left out: pip would build it without its ops; see tools/install.sh.
TRAIN = ['torch>=2.6', 'mmengine>=0.10.4,<1.0', 'mmdet==3.3.0', 'pycocotools', 'scipy', 'shapely',
         'matplotlib', 'pillow', 'rich', 'tabulate', 'surface-distance', 'jinja2',
         'albumentations>=2,<3']

setup(
    name='medseg',
    version=read_version(),
    description='Lightweight medical segmentation on MMDetection 3: LMSF-A and its baselines',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['medseg', 'medseg.*']),
    package_data={'medseg.live': ['static/*'], 'medseg.deploy': ['*.json']},
    cmdclass={'build_py': BuildWithConfigs},
    # What medseg.runtime needs, and no more.
    install_requires=['numpy>=1.23', 'opencv-python-headless>=4.5', 'onnxruntime>=1.16'],
    extras_require={
        'train': TRAIN,
        'deploy': TRAIN + read_requirements('deploy'),
        'dev': read_requirements('dev'),
        'live': read_requirements('live'),
        'tests': read_requirements('tests'),
        'volumes': TRAIN + read_requirements('volumes'),
    },
)
