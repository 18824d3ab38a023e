"""Lists of cases and the data set: what is read, what is refused and how it is said."""
import json

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config

import projects.lightmedseg.training  # noqa: F401
from medseg.errors import UserError
from projects.lightmedseg.datasets.decathlon import read_list

CONFIG = 'configs/lightmedseg/lightmedseg-a_1xb2-60e_synbrain-lesion.py'


def test_list_of_synbrain(tiny_brains):
    found = read_list(tiny_brains / 'dataset_tissue.json', 'training')
    assert found.classes == ('background', 'CSF', 'grey matter', 'white matter')
    assert found.channels == ('T1', 'T1c', 'T2', 'FLAIR')
    assert [case.name for case in found.cases] == ['brain_001', 'brain_002', 'brain_003',
                                                   'brain_004']


def entry(name, **more):
    return dict(image=f'{name}.nii.gz', label=f'{name}_seg.nii.gz', **more)


GOOD = {'labels': {'0': 'background', '1': 'tumour'}, 'modality': {'0': 'T1'},
        'training': [entry('a')], 'test': [entry('b')]}


@pytest.fixture
def write(tmp_path):
    def run(**changes):
        for name in 'abc':
            for file in (f'{name}.nii.gz', f'{name}_seg.nii.gz'):
                (tmp_path / file).touch()
        path = tmp_path / 'dataset.json'
        path.write_text(json.dumps({**GOOD, **changes}))
        return path
    return run


def test_nnunet_spelling(write):
    path = write(labels={'background': 0, 'tumour': 1}, modality=None,
                 channel_names={'0': 'FLAIR'})
    found = read_list(path, 'training')
    assert found.classes == ('background', 'tumour') and found.channels == ('FLAIR',)


@pytest.mark.parametrize('changes, words', [
    (dict(labels=None), 'has no "labels"'),
    (dict(labels={'1': 'tumour'}), 'from 0 without gaps'),
    (dict(training=[]), 'lists no case under "training"'),
    (dict(training=[entry('a'), entry('a')]), 'more than once'),
    (dict(training=[entry('a'), entry('b')]), 'in two subsets'),
    (dict(training=[entry('a', patient='p')], test=[entry('b', patient='p')]), 'in two subsets'),
    (dict(training=[entry('x')]), 'x.nii.gz: no such file'),
    (dict(training=[{'label': 'a'}]), 'entry 0: needs "image"'),
    (dict(training=[3]), 'entry 0: needs "image"'),
])
def test_broken_lists_are_refused(write, changes, words):
    with pytest.raises(UserError, match=words):
        read_list(write(**changes), 'training')


def build(folder, **options):
    config = Config.fromfile(CONFIG)
    dataset = config.train_dataloader.dataset
    dataset.update(data_root=str(folder), **options)
    return DATASETS.build(dataset)


def test_crops_are_what_the_network_takes(tiny_brains):
    dataset = build(tiny_brains)
    np.random.seed(0)
    item = dataset[0]
    assert item['inputs'].shape == (4, 64, 64, 64) and item['inputs'].dtype == torch.float32
    assert item['data_samples'].label.shape == (64, 64, 64)
    assert item['data_samples'].patient == 'brain_001'
    assert item['data_samples'].spacing == pytest.approx((6, 6, 6))  # 192 mm by 32 voxels


def test_random_transforms_follow_the_seed(tiny_brains):
    dataset = build(tiny_brains)
    items = []
    for seed in (3, 3, 4):
        np.random.seed(seed)
        items.append(dataset[1]['inputs'])
    assert torch.equal(items[0], items[1]) and not torch.equal(items[0], items[2])


def test_all_heads_look_the_same_way(tiny_brains):
    """Whatever the voxel axes of the files, the arrays are right, anterior, superior."""
    config = Config.fromfile(CONFIG)
    dataset = build(tiny_brains, pipeline=config.test_pipeline)
    for i in range(4):
        affine = dataset[i]['data_samples'].affine[:3, :3]
        np.testing.assert_allclose(affine, 6 * np.eye(3), atol=1e-6)
