"""Data sets inside wrappers, classes and metrics of configs."""
import pytest
from mmengine.config import Config

from medseg.configs import (
    classes,
    datasets,
    evaluators,
    places,
    prediction_pipeline,
)
from medseg.configs import (
    test_dataset as dataset_of_test,
)

LEAF = dict(type='CocoDataset', ann_file='a.json')


def config(**parts):
    return Config(dict(parts))


@pytest.mark.parametrize('dataset, ends', [
    (LEAF, ['']),
    (dict(type='RepeatDataset', times=2, dataset=LEAF), ['.dataset']),
    (dict(type='ConcatDataset', datasets=[LEAF, dict(LEAF, ann_file='b.json')]),
     ['.datasets.0', '.datasets.1']),
    (dict(type='MultiImageMixDataset', pipeline=[], dataset=dict(
        type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=LEAF)])),
     ['.dataset.datasets.0.dataset'])])
def test_leaves(dataset, ends):
    cfg = config(train_dataloader=dict(dataset=dataset))
    leaves = list(datasets(cfg, 'train_dataloader', 'val_dataloader'))
    known = {id(leaf): place for place, leaf in places(cfg)}
    assert [known[id(leaf)] for leaf in leaves] == [f'train_dataloader.dataset{e}' for e in ends]
    assert leaves[0].ann_file == 'a.json'


def test_wrappers_come_before_what_they_hold():
    wrapped = config(test_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=LEAF)))
    assert [d.type for _, d in places(wrapped)] == ['RepeatDataset', 'CocoDataset']
    assert dataset_of_test(wrapped).type == 'CocoDataset'
    # a change reaches the config
    dataset_of_test(wrapped).ann_file = 'other.json'
    assert wrapped.test_dataloader.dataset.dataset.ann_file == 'other.json'


@pytest.mark.parametrize('given, names', [
    (dict(metainfo=dict(classes=('a', 'b'))), ('a', 'b')),
    (dict(metainfo=dict(classes='a')), ('a',)),
    (dict(), None)])
def test_classes(given, names):
    found = config(test_dataloader=dict(dataset=dict(LEAF, **given)))
    if names is None:
        assert len(classes(found)) == 80 and classes(found)[0] == 'person'
    else:
        assert classes(found) == names


def test_metrics_alone_or_in_lists():
    found = config(val_evaluator=dict(type='A'), test_evaluator=[dict(type='B'), dict(type='C')])
    assert [(loader, m.type) for loader, m in evaluators(found)] == [
        ('val_dataloader', 'A'), ('test_dataloader', 'B'), ('test_dataloader', 'C')]


def test_prediction_needs_no_annotations():
    steps = ['LoadImageFromFile', 'mmdet.Resize', 'mmdet.LoadAnnotations', 'PackDetInputs']
    found = config(test_dataloader=dict(dataset=dict(
        LEAF, pipeline=[dict(type=name) for name in steps])))
    assert [step['type'] for step in prediction_pipeline(found)] == [steps[0], steps[1], steps[3]]
