"""A tiny SynBrain that the tests of data, training and tools share."""
import pytest

from projects.lightmedseg.datasets.synbrain import generate


@pytest.fixture(scope='session')
def tiny_brains(tmp_path_factory):
    """Folder of six patients of 32^3 voxels."""
    folder = tmp_path_factory.mktemp('brains') / 'set'
    generate(folder, 6, 0, 32)
    return folder
