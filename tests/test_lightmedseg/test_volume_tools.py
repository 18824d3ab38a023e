"""Reading, checking and listing volumes: each kind of fault is named, counted and explained."""
import gzip
import json

import nibabel
import nrrd
import numpy as np
import pytest
from tool_runs import load_tool

from medseg.errors import UserError
from projects.lightmedseg.datasets.decathlon import read_list
from projects.lightmedseg.datasets.layouts import READERS, recognise
from projects.lightmedseg.datasets.volume_file import read_volume, write_labels

TOOL = load_tool('tools/data/volumes.py')
SHAPE = (6, 7, 8)
AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def image(channels=0):
    shape = (*SHAPE, channels) if channels else SHAPE
    return np.random.default_rng(0).integers(1, 100, shape).astype(np.int16)


def label(value=1):
    array = np.zeros(SHAPE, np.uint8)
    array[2:4, 2:4, 2:4] = value
    return array


# ---------------------------------------------------------------------- files
@pytest.mark.parametrize('space, turn', [('left-posterior-superior', (-1, -1, 1)),
                                         ('LPS', (-1, -1, 1)),
                                         ('right-anterior-superior', (1, 1, 1))])
def test_nrrd_and_nifti_agree_on_where_a_voxel_lies(tmp_path, space, turn):
    path = tmp_path / 'a.nrrd'
    nrrd.write(str(path), image(), dict(
        space=space, **{'space directions': np.diag([2.0, 1.0, 5.0]),
                        'space origin': [10.0, 20.0, 30.0]}))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, image())
    np.testing.assert_allclose(volume.affine[:3] @ [1, 1, 1, 1], np.multiply(turn, [12, 21, 35]))


def truncated(path):
    save(path, image())
    path.write_bytes(path.read_bytes()[:-200])


def no_gzip(path):
    path.write_bytes(b'<html>not found</html>')


def flat_affine(path):
    flat = nibabel.Nifti1Image(image(), None)
    flat.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), 1)
    nibabel.save(flat, path)


def rgb(path):
    save(path, np.zeros(SHAPE, dtype=[('R', 'u1'), ('G', 'u1'), ('B', 'u1')]))


def two_axes(path):
    save(path, np.zeros((5, 5), np.int16))


def a_bomb(path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    path.write_bytes(gzip.compress(header.binaryblock + bytes(8)))


@pytest.mark.parametrize('make, words', [
    (truncated, 'cannot be read as a volume'), (no_gzip, 'cannot be read as a volume'),
    (flat_affine, 'affine'), (rgb, 'cannot be read as a volume'), (two_axes, 'three axes'),
    (a_bomb, 'voxels are more than'), (lambda path: None, 'no such file'),
    (lambda path: path.touch(), 'cannot be read as a volume')])
def test_unusable_files_are_refused(tmp_path, make, words):
    path = tmp_path / 'a.nii.gz'
    make(path)
    with pytest.raises(UserError, match=words) as error:
        read_volume(path)
    assert str(path) in str(error.value)


def test_other_names_are_refused(tmp_path):
    with pytest.raises(UserError, match='none of'):
        read_volume(tmp_path / 'a.dcm')


def test_label_maps_are_whole_or_absent(tmp_path, monkeypatch):
    write_labels(tmp_path / 'out' / 'a.nii.gz', label(), AFFINE)
    np.testing.assert_array_equal(read_volume(tmp_path / 'out' / 'a.nii.gz').array, label())
    monkeypatch.setattr(nibabel, 'save', lambda *_: (_ for _ in ()).throw(OSError(28, 'full')))
    with pytest.raises(OSError):
        write_labels(tmp_path / 'out' / 'b.nii.gz', label(), AFFINE)
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['a.nii.gz']


# ---------------------------------------------------------------------- check
@pytest.fixture
def make_set(tmp_path):
    """Factory: a list of one case of two channels, and what ``check`` says of it."""
    def run(image_array=None, label_array=None, label_affine=AFFINE, channels=2, **changes):
        save(tmp_path / 'a.nii.gz', image(channels) if image_array is None else image_array)
        save(tmp_path / 'a_seg.nii.gz', label() if label_array is None else label_array,
             label_affine)
        (tmp_path / 'dataset.json').write_text(json.dumps({
            'labels': {'0': 'background', '1': 'tumour'}, 'modality': {'0': 'T1', '1': 'T2'},
            'training': [{'image': 'a.nii.gz', 'label': 'a_seg.nii.gz'}], **changes}))
        code = TOOL.main(['check', str(tmp_path / 'dataset.json'), '--quiet', '--json',
                          str(tmp_path / 'found.json')])
        return code, [f['kind'] for f in json.loads((tmp_path / 'found.json').read_text())]
    return run


def test_a_sound_set_has_no_finding(make_set):
    assert make_set() == (0, [])


NAN = image(2).astype(np.float32)
NAN[1, 1, 1, 1] = np.nan
MIRRORED = AFFINE.copy()
MIRRORED[0] = [-1, 0, 0, 5]
SHIFTED = AFFINE.copy()
SHIFTED[0, 3] = 0.5


@pytest.mark.parametrize('changes, kind, code', [
    (dict(channels=3), 'wrong channels', 1),
    (dict(channels=0), 'wrong channels', 1),
    (dict(image_array=NAN), 'not finite', 1),
    (dict(image_array=np.ones((*SHAPE, 2), np.int16)), 'blank image', 1),
    (dict(label_array=label()[:-1]), 'shape mismatch', 1),
    (dict(label_array=np.stack([label()] * 2, -1)), 'wrong label axes', 1),
    (dict(label_affine=MIRRORED), 'flipped label', 1),
    (dict(label_affine=SHIFTED), 'different affines', 1),
    (dict(label_array=label(4)), 'unknown labels', 1),
    (dict(label_array=label().astype(np.float32) * np.float32(0.5)), 'fractional labels', 1),
    (dict(label_array=0 * label()), 'empty label', 0),
])
def test_faults_are_found(make_set, changes, kind, code):
    found = make_set(**changes)
    assert found == (code, [kind])


def test_mapped_labels_are_known(make_set):
    assert make_set(label_array=label(4), label_map={'0': 0, '4': 1}) == (0, [])


def test_a_broken_file_does_not_hide_the_others(tmp_path, capsys):
    for name in 'ab':
        save(tmp_path / f'{name}.nii.gz', image())
        save(tmp_path / f'{name}_seg.nii.gz', label(9 if name == 'b' else 1))
    truncated(tmp_path / 'a.nii.gz')
    (tmp_path / 'dataset.json').write_text(json.dumps({
        'labels': {'0': 'background', '1': 'tumour'}, 'modality': {'0': 'T1'},
        'training': [{'image': f'{n}.nii.gz', 'label': f'{n}_seg.nii.gz'} for n in 'ab']}))
    assert TOOL.main(['check', str(tmp_path / 'dataset.json'), '--quiet']) == 1
    assert '2 cases, 2 cannot be used: 1 x unreadable image, 1 x unknown labels' \
        in capsys.readouterr().out


# ---------------------------------------------------------------------- lists of folders
def brats(folder, patients=4):
    for i in range(patients):
        name = f'BraTS20_{i:03d}'
        for channel in ('t1', 't1ce', 't2', 'flair'):
            save(folder / name / f'{name}_{channel}.nii.gz', image())
        save(folder / name / f'{name}_seg.nii.gz', label(4))


def acdc(folder, patients=4):
    for i in range(1, patients + 1):
        for frame in (1, 9):
            stem = folder / f'patient{i:03d}' / f'patient{i:03d}_frame{frame:02d}'
            save(stem.with_name(stem.name + '.nii.gz'), image())
            save(stem.with_name(stem.name + '_gt.nii.gz'), label())
        save(folder / f'patient{i:03d}' / f'patient{i:03d}_4d.nii.gz', image(3))


def nnunet(folder, patients=4):
    for i in range(patients):
        for channel in range(2):
            save(folder / 'imagesTr' / f'c{i}_{channel:04d}.nii.gz', image())
        save(folder / 'labelsTr' / f'c{i}.nii.gz', label())
    (folder / 'dataset.json').write_text(json.dumps({
        'channel_names': {'0': 'T1', '1': 'T2'}, 'labels': {'background': 0, 'tumour': 1}}))


@pytest.mark.parametrize('make, name, cases, classes, channels', [
    (brats, 'brats', 4, 4, 4), (acdc, 'acdc', 8, 4, 1), (nnunet, 'nnunet', 4, 2, 2)])
def test_folders_of_the_field(tmp_path, capsys, make, name, cases, classes, channels):
    make(tmp_path / 'in')
    assert recognise(tmp_path / 'in') == name
    out = tmp_path / 'lists' / f'{name}.json'
    assert TOOL.main(['list', str(tmp_path / 'in'), str(out)]) == 0
    assert f'{cases} cases of 4 patients' in capsys.readouterr().out
    found = [read_list(out, subset) for subset in ('training', 'validation', 'test')]
    assert sum(len(part.cases) for part in found) == cases
    assert (len(found[0].classes), len(found[0].channels)) == (classes, channels)
    patients = [{case.patient for case in part.cases} for part in found]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 4
    assert TOOL.main(['check', str(out), '--quiet']) == 0


@pytest.mark.parametrize('make, file, kind', [
    (brats, 'BraTS20_001/BraTS20_001_t2.nii.gz', 'missing modality'),
    (acdc, 'patient002/patient002_frame09_gt.nii.gz', 'missing label'),
    (nnunet, 'imagesTr/c1_0001.nii.gz', 'missing modality'),
    (nnunet, 'labelsTr/c2.nii.gz', 'missing label')])
def test_unusable_cases_are_named_and_counted(tmp_path, capsys, make, file, kind):
    make(tmp_path / 'in')
    (tmp_path / 'in' / file).unlink()
    assert TOOL.main(['list', str(tmp_path / 'in'), str(tmp_path / 'out.json')]) == 0
    printed = capsys.readouterr().out
    assert kind in printed and '1 not usable' in printed


def test_time_points_of_a_patient_stay_together(tmp_path):
    for point in (100, 101):
        name = f'BraTS-GLI-00005-{point}'
        for channel in ('t1n', 't1c', 't2w', 't2f', 'seg'):
            save(tmp_path / name / f'{name}-{channel}.nii.gz', label(3))
    layout = READERS['brats'](tmp_path)
    assert {case.patient for case in layout.cases} == {'BraTS-GLI-00005'}
    assert len(layout.cases) == 2


@pytest.mark.parametrize('arguments, words', [
    (['list', '{folder}/nowhere', '{folder}/o.json'], 'no such folder'),
    (['list', '{folder}', '{folder}/o.json'], 'none of the layouts'),
    (['check', '{folder}/nowhere.json'], 'cannot be read')])
def test_wrong_use_is_one_line(tmp_path, capsys, arguments, words):
    assert TOOL.main([a.format(folder=tmp_path) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1


def test_too_few_patients_to_split(tmp_path, capsys):
    acdc(tmp_path / 'in', patients=2)
    assert TOOL.main(['list', str(tmp_path / 'in'), str(tmp_path / 'o.json')]) == 2
    assert '2 patients cannot be split into 3 subsets' in capsys.readouterr().err
