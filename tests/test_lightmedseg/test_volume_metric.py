"""Figures of volumes by hand-made cases: spheres and boxes of known overlap and distance."""
import json

import numpy as np
import pytest
import torch

from projects.lightmedseg.region_scores import score_case
from projects.lightmedseg.volume_metric import VolumeMetric, interval, patient_means

REGIONS = {'whole': (1, 2), 'core': (2,)}


def box(*slices, shape=(12, 12, 12), value=1) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(*s) for s in slices)] = value
    return labels


def test_overlap_by_hand():
    """8x8x8 against the same moved by 2 voxels: overlap 6/8."""
    true, found = box((2, 10), (2, 10), (2, 10)), box((2, 10), (2, 10), (4, 12))
    scores = score_case(found, true, {'it': (1,)}, (1, 1, 1))
    assert scores['dice'][0] == pytest.approx(0.75)
    assert scores['hd95'][0] == pytest.approx(2)
    assert scores['nsd'][0] == pytest.approx(1)
    assert score_case(found, true, {'it': (1,)}, (1, 1, 1), 1)['nsd'][0] < 1


def test_distances_are_millimetres():
    true, found = box((2, 10), (2, 10), (2, 10)), box((2, 10), (2, 10), (4, 12))
    assert score_case(found, true, {'it': (1,)}, (1, 1, 3))['hd95'][0] == pytest.approx(6)


def test_nested_regions():
    true = box((2, 10), (2, 10), (2, 10))
    true[4:8, 4:8, 4:8] = 2
    found = true.copy()
    found[true == 2] = 1
    scores = score_case(found, true, REGIONS, (1, 1, 1))
    assert scores['dice'].tolist() == [1, 0]  # the core was not found
    assert scores['hd95'][1] == pytest.approx(np.sqrt(3) * 12)


@pytest.mark.parametrize('found, true, expected', [
    (0, 0, (np.nan, np.nan, np.nan)), (1, 0, (0, np.sqrt(12), 0)), (0, 1, (0, np.sqrt(12), 0))])
def test_empty_regions(found, true, expected):
    shape = (2, 2, 2)
    scores = score_case(np.full(shape, found, np.uint8), np.full(shape, true, np.uint8),
                        {'it': (1,)}, (1, 1, 1))
    np.testing.assert_allclose([scores[k][0] for k in ('dice', 'hd95', 'nsd')], expected)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match='differ'):
        score_case(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), {'it': (1,)}, (1, 1, 1))


def test_cases_of_a_patient_count_once():
    """Two frames of one heart weigh as much as the one of another."""
    values = np.array([[0.2], [0.4], [0.9], [np.nan]])
    np.testing.assert_allclose(patient_means(values, ['a', 'a', 'b', 'b']), [[0.3], [0.9]])


def test_interval_holds_the_mean_and_shrinks_with_patients():
    rng = np.random.default_rng(0)
    few, many = rng.normal(0.8, 0.1, (6, 2)), rng.normal(0.8, 0.1, (96, 2))
    for means in (few, many):
        low, high = interval(means)
        assert low < means.mean() < high
    assert np.subtract(*interval(few)[::-1]) > 2 * np.subtract(*interval(many)[::-1])
    assert np.isnan(interval(few[:1])).all()


def test_metric_reports_and_writes_every_case(tmp_path):
    metric = VolumeMetric(REGIONS, outfile_prefix=str(tmp_path / 'out'))
    metric.dataset_meta = {'classes': ('background', 'edema', 'core')}
    true = box((2, 10), (2, 10), (2, 10))
    for case, patient, found in (('a1', 'a', true), ('a2', 'a', 0 * true), ('b', 'b', true)):
        metric.process({}, [dict(case=case, patient=patient, spacing=(1, 1, 1),
                                 label=torch.from_numpy(true), pred_label=torch.from_numpy(found))])
    figures = metric.evaluate(3)
    assert figures['volume/whole_dice'] == pytest.approx(0.75)  # (0.5 + 1) / 2
    assert figures['volume/dice'] == pytest.approx(0.75)  # no core anywhere
    written = json.loads((tmp_path / 'out.volumes.json').read_text())
    assert [case['dice'] for case in written] == [
        {'whole': 1, 'core': None}, {'whole': 0, 'core': None}, {'whole': 1, 'core': None}]
