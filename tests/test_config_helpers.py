"""Data sets inside wrappers, classes and metrics of configs."""
import pytest
from mmengine.config import Config

from medseg.configs import (
    dataset_classes,
    datasets,
    evaluators,
    leaf_dataset,
    leaf_datasets,
    prediction_pipeline,
)
from medseg.errors import UserError

LEAF = dict(type='CocoDataset', ann_file='a.json')


def config(**parts):
    return Config(dict(parts))


@pytest.mark.parametrize('dataset, places', [
    (LEAF, ['']),
    (dict(type='RepeatDataset', times=2, dataset=LEAF), ['.dataset']),
    (dict(type='ConcatDataset', datasets=[LEAF, dict(LEAF, ann_file='b.json')]),
     ['.datasets.0', '.datasets.1']),
    (dict(type='MultiImageMixDataset', pipeline=[], dataset=dict(
        type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=LEAF)])),
     ['.dataset.datasets.0.dataset'])])
def test_leaves(dataset, places):
    found = list(leaf_datasets(config(train_dataloader=dict(dataset=dataset)),
                               ('train_dataloader', 'val_dataloader')))
    assert [key for key, _ in found] == [f'train_dataloader.dataset{place}' for place in places]
    assert found[0][1].ann_file == 'a.json'


def test_wrappers_come_before_what_they_hold():
    wrapped = config(test_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=LEAF)))
    assert [d.type for _, d in datasets(wrapped)] == ['RepeatDataset', 'CocoDataset']
    assert leaf_dataset(wrapped).type == 'CocoDataset'
    # a change reaches the config
    leaf_dataset(wrapped).ann_file = 'other.json'
    assert wrapped.test_dataloader.dataset.dataset.ann_file == 'other.json'
    with pytest.raises(UserError, match='has no val_dataloader'):
        leaf_dataset(wrapped, 'val_dataloader')


@pytest.mark.parametrize('given, names', [
    (dict(metainfo=dict(classes=('a', 'b'))), ('a', 'b')),
    (dict(metainfo=dict(classes='a')), ('a',)),
    (dict(), None)])
def test_classes(given, names):
    found = config(test_dataloader=dict(dataset=dict(LEAF, **given)))
    if names is None:
        assert len(dataset_classes(found)) == 80 and dataset_classes(found)[0] == 'person'
    else:
        assert dataset_classes(found) == names


def test_metrics_alone_or_in_lists():
    found = config(val_evaluator=dict(type='A'), test_evaluator=[dict(type='B'), dict(type='C')])
    assert [(loader, m.type) for loader, m in evaluators(found)] == [
        ('val_dataloader', 'A'), ('test_dataloader', 'B'), ('test_dataloader', 'C')]


def test_prediction_needs_no_annotations():
    steps = ['LoadImageFromFile', 'mmdet.Resize', 'mmdet.LoadAnnotations', 'PackDetInputs']
    found = config(test_dataloader=dict(dataset=dict(
        LEAF, pipeline=[dict(type=name) for name in steps])))
    assert [step['type'] for step in prediction_pipeline(found)] == [steps[0], steps[1], steps[3]]
