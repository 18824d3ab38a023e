"""tools/infer_volume.py: label maps in the file's own space, whatever its axes and spacing."""
import re

import nibabel
import numpy as np
import pytest
import torch
from mmengine.config import Config
from scipy.spatial.transform import Rotation
from tool_runs import load_tool

from projects.lightmedseg.case_page import to_ras
from projects.lightmedseg.volume_predictor import VolumePredictor

CONFIG = 'configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py'
TOOL = load_tool('tools/infer_volume.py')


class BrightSpot(torch.nn.Module):
    """Stands in for a network: class 1 where the first channel is bright."""

    def forward(self, volume):
        bright = volume[:, :1] - 1.5
        return torch.cat([-bright, bright, 0 * bright - 9, 0 * bright - 9], 1)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    from mmdet.registry import MODELS

    import projects.lightmedseg.training  # noqa: F401
    path = tmp_path_factory.mktemp('model') / 'model.pth'
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(
        classes=('background', 'edema', 'core', 'enhancing'),
        channels=('T1', 'T1c', 'T2', 'FLAIR')))), path)
    return path


def case(path, affine, shape=(20, 24, 12)):
    """A dim head with a bright corner at one end of every axis."""
    rng = np.random.default_rng(0)
    array = rng.uniform(90, 110, (*shape, 4)).astype(np.float32)
    array[2:7, 3:9, 1:4] += 500
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return array[..., 0] > 300


def rotated():
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler('xyz', [20, -10, 35], degrees=True).as_matrix() @ np.diag(
        [0.8, 0.9, 3.0])
    affine[:3, 3] = [-30, 12, 5]
    return affine


def permuted():
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 0], affine[2, 1], affine[3, 3] = -2.0, 1.0, -1.5, 1
    return affine


@pytest.mark.parametrize('affine', [np.eye(4), np.diag([-1.0, -1, 1, 1]), permuted(), rotated()],
                         ids=['identity', 'flipped', 'permuted', 'rotated'])
def test_labels_lie_on_the_voxels_of_the_file(tmp_path, checkpoint, affine):
    bright = case(tmp_path / 'a.nii.gz', affine)
    predictor = VolumePredictor(Config.fromfile(CONFIG), str(checkpoint))
    predictor.model.network = BrightSpot()
    predictor.model.test_cfg = dict(roi_size=(16, 16, 16), overlap=0.5)
    found = predictor([tmp_path / 'a.nii.gz'])
    np.testing.assert_array_equal(found.array, bright)
    np.testing.assert_array_equal(found.affine, nibabel.load(tmp_path / 'a.nii.gz').affine)


def test_resampled_volumes_come_back_to_the_file_s_grid(tmp_path, checkpoint):
    bright = case(tmp_path / 'a.nii.gz', np.diag([1.0, 1.0, 2.0, 1.0]))
    config = Config.fromfile(CONFIG)
    steps = config.test_dataloader.dataset.load_pipeline[0].transforms
    steps.insert(2, dict(type='Spacingd', keys=('image', 'label'), pixdim=(1.0, 1.0, 1.0),
                         mode=('bilinear', 'nearest'), allow_missing_keys=True))
    predictor = VolumePredictor(config, str(checkpoint))
    predictor.model.network, predictor.model.test_cfg = BrightSpot(), {}
    found = predictor([tmp_path / 'a.nii.gz']).array
    assert found.shape == bright.shape
    assert 2 * (found.astype(bool) & bright).sum() / (found.astype(bool).sum() + bright.sum()) > .8


def test_a_file_per_channel_and_a_missing_one(tmp_path, checkpoint):
    bright = case(tmp_path / 'all.nii.gz', np.eye(4))
    array = np.asarray(nibabel.load(tmp_path / 'all.nii.gz').dataobj)
    for i in range(3):
        nibabel.save(nibabel.Nifti1Image(array[..., i], np.eye(4)), tmp_path / f'{i}.nii.gz')
    predictor = VolumePredictor(Config.fromfile(CONFIG), str(checkpoint))
    predictor.model.network, predictor.model.test_cfg = BrightSpot(), {}
    found = predictor([*(tmp_path / f'{i}.nii.gz' for i in range(3)), None])
    np.testing.assert_array_equal(found.array, bright)


def test_tool_on_a_folder(tmp_path, checkpoint, capsys):
    for name in 'ab':
        case(tmp_path / 'in' / f'{name}.nii.gz', np.eye(4))
    (tmp_path / 'in' / 'broken.nii.gz').write_bytes(b'no volume')
    words = [CONFIG, str(checkpoint), str(tmp_path / 'in'), str(tmp_path / 'out'), '--pictures',
             '--page', '--device', 'cpu', '--cfg-options', 'model.test_cfg.roi_size=(16,16,16)']
    assert TOOL.main(words) == 1
    assert '1 of 3 cases failed: broken' in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [
        f'{n}.{s}' for n in 'ab' for s in ('html', 'nii.gz', 'png')]
    page = (tmp_path / 'out' / 'a.html').read_text()
    assert not re.search(r'(src|href)="https?:', page) and 'enhancing' in page
    (tmp_path / 'in' / 'broken.nii.gz').unlink()
    assert TOOL.main(words) == 0
    assert capsys.readouterr().out.count('kept') == 2


@pytest.mark.parametrize('source, words', [
    ('{0}/nowhere.nii.gz', 'no such file'), (',-', 'names no file'),
    ('{0}/empty', 'holds no .nii')])
def test_wrong_use_is_one_line(tmp_path, checkpoint, capsys, source, words):
    (tmp_path / 'empty').mkdir()
    assert TOOL.main([CONFIG, str(checkpoint), source.format(tmp_path), str(tmp_path / 'o')]) == 2
    assert words in capsys.readouterr().err


def test_wrong_number_of_channels_names_the_right_ones(tmp_path, checkpoint, capsys):
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 8, 2), np.float32), np.eye(4)),
                 tmp_path / 'two.nii.gz')
    assert TOOL.main([CONFIG, str(checkpoint), str(tmp_path / 'two.nii.gz'),
                      str(tmp_path / 'o')]) == 1
    assert '2 channels, and the model takes 4: T1, T1c, T2, FLAIR' in capsys.readouterr().err


def test_planes_are_shown_the_right_way_round():
    """A voxel at the right, front and top of a head is there whatever the file's axes."""
    array = np.zeros((4, 5, 6))
    array[3, 0, 5] = 1  # affine: x to the left, y to the back, z upwards
    turned, spacing = to_ras(array, np.diag([-1.0, -2, 3, 1]))
    assert turned[0, 4, 5] == 1 and spacing.tolist() == [1, 2, 3]
