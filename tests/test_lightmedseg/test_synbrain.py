"""SynBrain: real anatomy, nested lesions, true affines, the same whoever makes it."""
import json

import nibabel
import numpy as np
import pytest
from tool_runs import load_tool

from projects.lightmedseg.datasets.synbrain import generate, make_patient
from projects.lightmedseg.datasets.synbrain.generate import subsets

TOOL = load_tool('tools/data/make_synbrain.py')
SIZE = 40


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('synbrain') / 'set'
    assert TOOL.main([str(out), '--patients', '4', '--size', str(SIZE)]) == 0
    return out


def in_ras(image: nibabel.Nifti1Image) -> np.ndarray:
    return np.asarray(nibabel.as_closest_canonical(image).dataobj)


def test_a_patient_is_always_the_same_and_no_two_are_alike():
    a, b, c = make_patient(0, 1, SIZE), make_patient(0, 1, SIZE), make_patient(0, 2, SIZE)
    assert np.array_equal(a.image, b.image) and np.array_equal(a.lesion, b.lesion)
    assert not np.array_equal(a.tissue, c.tissue)


def test_contents(folder):
    labels = set()
    for n in range(1, 5):
        image = nibabel.load(folder / f'images/brain_{n:03d}.nii.gz')
        assert image.shape == (SIZE, SIZE, SIZE, 4)
        data = np.asarray(image.dataobj)
        for task in ('lesion', 'tissue'):
            label = nibabel.load(folder / f'labels_{task}/brain_{n:03d}.nii.gz')
            np.testing.assert_allclose(label.affine, image.affine)
            values = np.asarray(label.dataobj)
            assert values.max() <= 3
            labels |= {(task, v) for v in np.unique(values).tolist()}
            if task == 'tissue':
                # Outside the brain all modalities are 0, inside none is.
                assert (data[values == 0] == 0).all() and (data[values > 0] > 0).all()
                # About 1.3 litres of brain in a head of 192 mm.
                assert 0.9e6 < (values > 0).sum() * (192 / SIZE) ** 3 < 2.2e6
    assert labels == {(task, v) for task in ('lesion', 'tissue') for v in range(4)}


def test_affines_are_true(folder):
    """Through its affine every head looks the same way: grey matter lies around white matter,
    and left and right are alike, though voxel axes differ."""
    affines = set()
    for n in range(1, 5):
        image = nibabel.load(folder / f'labels_tissue/brain_{n:03d}.nii.gz')
        affines.add(tuple(np.sign(np.round(image.affine[:3, :3], 6)).ravel()))
        brain = in_ras(image) > 0
        # The brain is longest from back to front, the second axis in RAS.
        extents = [np.ptp(np.nonzero(brain)[axis]) for axis in range(3)]
        assert extents[1] >= extents[0]
    assert len(affines) > 1


def test_lesions_are_nested_and_in_the_brain():
    for n in range(1, 4):
        patient = make_patient(1, n, 64)
        assert (patient.lesion > 0).any()
        assert not (patient.lesion[patient.tissue == 0] > 0).any()


def test_no_patient_is_in_two_subsets(folder):
    lists = json.loads((folder / 'dataset_lesion.json').read_text())
    names = [case['patient'] for key in ('training', 'validation', 'test') for case in lists[key]]
    assert len(names) == len(set(names)) == 4
    assert {k: len(v) for k, v in subsets(60).items()} == {
        'training': 42, 'validation': 6, 'test': 12}


def test_an_interrupted_run_is_taken_up(folder, capsys):
    file = folder / 'labels_tissue/brain_002.nii.gz'
    before = np.asarray(nibabel.load(file).dataobj)
    file.unlink()
    assert TOOL.main([str(folder), '--patients', '4', '--size', str(SIZE)]) == 0
    assert '1 made' in capsys.readouterr().out.replace('\n', ' ')
    assert np.array_equal(np.asarray(nibabel.load(file).dataobj), before)


@pytest.mark.parametrize('options, words', [
    (['--size', '48'], 'made with other settings'), (['--patients', '3'], 'patients start at 4')])
def test_wrong_use_is_one_line(folder, capsys, options, words):
    assert TOOL.main([str(folder), '--patients', '4', *options]) == 2
    assert words in capsys.readouterr().err


def test_the_number_of_workers_changes_nothing(folder, tmp_path):
    generate(tmp_path / 'two', 4, 0, SIZE, workers=2)
    a = np.asarray(nibabel.load(tmp_path / 'two/images/brain_003.nii.gz').dataobj)
    assert np.array_equal(a, np.asarray(nibabel.load(folder / 'images/brain_003.nii.gz').dataobj))
