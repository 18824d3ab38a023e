"""Installs the library, ``medseg``; ``make install`` prepares everything it stands on."""
import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_requirements(name: str) -> list[str]:
    """Lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (line.split('#')[0].strip() for line in lines) if line]


def read_version() -> str:
    """``__version__`` of the project, read without importing it."""
    text = (ROOT / 'medseg' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


setup(
    name='medseg',
    version=read_version(),
    description='Lightweight medical segmentation on MMDetection 3: LMSF-A and its baselines',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['medseg', 'medseg.*']),
    package_data={'medseg.live': ['static/*']},
    # Ranges, not the pins of requirements/, so that an environment with a CUDA build of PyTorch
    # stays as it is. mmcv is left out: pip would build it without its ops; see tools/install.sh.
    install_requires=[
        'torch>=2.6', 'numpy>=1.23', 'mmengine>=0.10.4,<1.0', 'mmdet==3.3.0', 'pycocotools',
        'scipy', 'shapely', 'matplotlib', 'pillow', 'rich', 'tabulate', 'surface-distance',
    ],
    extras_require={
        'deploy': read_requirements('deploy'),
        'dev': read_requirements('dev'),
        'live': read_requirements('live'),
        'tests': read_requirements('tests'),
        'volumes': read_requirements('volumes'),
    },
)
