"""SynPELD: quotas, determinism, LabelMe files, resuming and refusing."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from projects.lmsfa.datasets.synpeld import (
    CLASSES,
    TABLE_I,
    generate,
    plan_patient,
    plan_totals,
    render_frame,
)
from projects.lmsfa.datasets.synpeld.anatomy import patient_anatomy
from projects.lmsfa.datasets.synpeld.families import ANATOMIES, FAMILIES, family_of
from projects.lmsfa.datasets.synpeld.generate import count_instances, stem_of
from projects.lmsfa.datasets.synpeld.labelme_writer import labelme_record
from projects.lmsfa.datasets.synpeld.masks import polygons
from projects.lmsfa.datasets.synpeld.render import Instance

TOOL = Path(__file__).parents[2] / 'tools' / 'data' / 'make_synpeld.py'
SIZE = (240, 160)


def _tool():
    spec = importlib.util.spec_from_file_location('make_synpeld', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _records(folder):
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob('p*.json'))}


def _raster(points_list, size):
    """Pixels whose centre is inside, a pixel covering [i, i + 1)."""
    mask = np.zeros(size[::-1], np.uint8)
    for points in points_list:
        fixed = np.round((np.asarray(points) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 1, cv2.LINE_8, 4)
    return mask.astype(bool)


@pytest.fixture(scope='module')
def small_set(tmp_path_factory):
    """Four patients of five frames."""
    out = tmp_path_factory.mktemp('synpeld') / 'set'
    return out, generate(out, patients=4, frames=5, seed=3, size=SIZE)


@pytest.mark.parametrize('seed', [0, 1, 20260101])
def test_plan_meets_table_1(seed):
    totals = plan_totals(seed, 61, 10)
    assert list(totals) == list(CLASSES)
    for label, expected in TABLE_I.items():
        assert totals[label] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize('patients, frames', [(12, 10), (30, 4), (20, 6)])
def test_plan_is_proportional_for_other_sizes(patients, frames):
    totals = plan_totals(0, patients, frames)
    for label, count in TABLE_I.items():
        assert totals[label] == pytest.approx(count * patients * frames / 610, abs=3)


def test_plan_of_a_patient_does_not_depend_on_the_others():
    plans = plan_patient(5, 7, 10)
    assert [plan.frame for plan in plans] == list(range(1, 11))
    assert plans == plan_patient(5, 7, 10)
    assert plans != plan_patient(6, 7, 10)
    # The ligament is seen before it is resected, the bone after: Figure 4.
    early = sum(p.counts['ligamentum flavum'] for k in range(1, 31)
                for p in plan_patient(0, k)[:3])
    late = sum(p.counts['ligamentum flavum'] for k in range(1, 31)
               for p in plan_patient(0, k)[-3:])
    assert early > late


def test_rendered_instances_are_those_planned(small_set):
    out, summary = small_set
    assert summary.images == summary.made == 20
    for patient in range(1, 5):
        for plan in plan_patient(3, patient, 5):
            record = json.loads((out / f'{stem_of(patient, plan.frame)}.json').read_text())
            assert count_instances(record) == plan.counts
    assert summary.instances == plan_totals(3, 4, 5)


def test_labelme_files_are_valid(small_set):
    out, _ = small_set
    records = _records(out)
    assert len(records) == 20
    for stem, record in records.items():
        image = cv2.imread(str(out / record['imagePath']))
        assert record['imagePath'] == f'{stem}.jpg'
        assert image.shape == (record['imageHeight'], record['imageWidth'], 3) == (160, 240, 3)
        assert record['imageData'] is None and record['flags'] == {} and record['version'] >= '5'
        for shape in record['shapes']:
            assert set(shape) == {'label', 'points', 'group_id', 'shape_type', 'flags'}
            assert shape['label'] in CLASSES and shape['shape_type'] == 'polygon'
            points = np.array(shape['points'])
            assert len(points) >= 3 and points.min() >= 0
            assert (points <= [240, 160]).all()
            assert cv2.contourArea(points.astype(np.float32)) > 0
        labels = [s['label'] for s in record['shapes'] if s['group_id'] is not None]
        groups = [s['group_id'] for s in record['shapes'] if s['group_id'] is not None]
        for group in set(groups):
            assert groups.count(group) >= 2
            assert len({lab for lab, g in zip(labels, groups, strict=True) if g == group}) == 1
    assert any(s['group_id'] is not None for r in records.values() for s in r['shapes'])


def test_visible_masks_do_not_overlap_and_lie_in_the_lit_field():
    for frame in (2, 6, 9):
        image, instances = render_frame(0, 2, frame, (360, 240))
        masks = [_raster(item.polygons, (360, 240)) for item in instances]
        assert masks
        union = np.any(masks, axis=0)
        # Polygons are simplified by at most 0.6 pixels, so neighbours share a seam at most.
        assert sum(m.sum() for m in masks) - union.sum() < 0.03 * union.sum()
        assert min(m.mean() for m in masks) > 0.002
        corner = image[:20, :20].mean()
        assert corner < 30 < image[union].mean()


def test_frames_are_deterministic_and_independent_of_order():
    first, first_instances = render_frame(0, 1, 4, SIZE)
    render_frame(0, 2, 1, SIZE)
    render_frame(1, 1, 4, SIZE)
    again, again_instances = render_frame(0, 1, 4, SIZE)
    assert np.array_equal(first, again)
    assert labelme_record('x', SIZE, first_instances) == labelme_record('x', SIZE, again_instances)
    assert not np.array_equal(first, render_frame(1, 1, 4, SIZE)[0])
    assert not np.array_equal(first, render_frame(0, 1, 5, SIZE)[0])


def test_workers_do_not_change_a_byte(tmp_path, small_set):
    reference, _ = small_set
    generate(tmp_path / 'two', patients=2, frames=5, seed=3, size=SIZE, workers=2)
    names = sorted(p.name for p in (tmp_path / 'two').glob('p*'))
    assert len(names) == 20
    for name in names:
        assert (tmp_path / 'two' / name).read_bytes() == (reference / name).read_bytes()


def test_split_and_pierced_masks_become_polygons_that_cover_them():
    mask = np.zeros((80, 120), np.uint8)
    mask[10:60, 5:110] = 1
    mask[:, 50:58] = 0  # an instrument right across
    mask[25:40, 75:95] = 0  # a clot within
    found = polygons(mask, 20)
    assert len(found) == 3  # the left part; the right one cut in two at its hole
    covered = _raster(found, (120, 80))
    union = (covered | (mask > 0)).sum()
    assert (covered & (mask > 0)).sum() / union > 0.95
    record = labelme_record('a.jpg', (120, 80), [Instance('nerve', found),
                                                 Instance('bone', [found[0]])])
    assert [s['group_id'] for s in record['shapes']] == [1, 1, 1, None]
    assert count_instances(record) == {'adipose tissue': 0, 'bone': 1, 'ligamentum flavum': 0,
                                       'nerve': 1}


def test_polygon_runs_along_pixel_edges():
    mask = np.zeros((20, 30), np.uint8)
    mask[4:10, 7:19] = 1
    (outline,) = polygons(mask, 4)
    assert outline.min(0).tolist() == [7, 4] and outline.max(0).tolist() == [19, 10]
    assert cv2.contourArea(outline.astype(np.float32)) == mask.sum()


def test_interrupted_set_is_resumed_and_extended(tmp_path):
    out = tmp_path / 'set'
    generate(out, patients=1, frames=3, size=SIZE)
    kept, lost = out / 'p001_f01.jpg', out / 'p001_f02.json'
    stamp, text = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    seen = []
    summary = generate(out, patients=2, frames=3, size=SIZE,
                       progress=lambda done, total: seen.append((done, total)))
    assert summary.made == 4 and summary.images == 6
    assert kept.stat().st_mtime_ns == stamp and lost.read_bytes() == text
    assert seen[0] == (2, 6) and seen[-1] == (6, 6)
    assert not list(out.glob('.*'))


def test_foreign_or_other_folder_is_refused(tmp_path):
    foreign = tmp_path / 'foreign'
    foreign.mkdir()
    (foreign / 'clinic.txt').write_text('keep me')
    with pytest.raises(FileExistsError, match='not made by this tool.*--overwrite'):
        generate(foreign, 1, 1, size=SIZE)
    assert [p.name for p in foreign.iterdir()] == ['clinic.txt']
    assert generate(foreign, 1, 1, size=SIZE, overwrite=True).made == 1
    assert (foreign / 'clinic.txt').read_text() == 'keep me'
    with pytest.raises(FileExistsError, match=r'seed 0 \(now 1\)'):
        generate(foreign, 1, 1, seed=1, size=SIZE)
    with pytest.raises(ValueError, match='96x96'):
        generate(tmp_path / 'tiny', 1, 1, size=(20, 20))
    assert not (tmp_path / 'tiny').exists()


def test_tool_makes_a_set_and_reports(tmp_path, capsys):
    tool = _tool()
    out = tmp_path / 'set'
    command = [str(out), '--patients', '1', '--frames', '2', '--size', '240x160']
    assert tool.main(command) == 0
    text = capsys.readouterr().out
    assert '2 images made' in text and 'ligamentum flavum' in text
    assert tool.main(command) == 0
    assert '0 images made, 2 kept' in capsys.readouterr().out
    assert tool.main([*command, '--seed', '4']) == 2
    assert 'other settings' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([str(out), '--size', 'large'])
    assert "'large' is not WIDTHxHEIGHT" in capsys.readouterr().err


def test_families_change_optics_or_anatomy(tmp_path):
    plain, instances = render_frame(0, 1, 2, SIZE)
    found = {name: render_frame(0, 1, 2, SIZE, family=name) for name in FAMILIES}
    # optics without another field keep the shapes; a cold light is bluer
    for name in ('cold', 'worn'):
        for one, other in zip(instances, found[name][1], strict=True):
            assert one.label == other.label
            assert all(np.array_equal(a, b) for a, b in
                       zip(one.polygons, other.polygons, strict=True))
    blue = {name: image[..., 0].mean() / image[..., 2].mean() for name, (image, _) in found.items()}
    assert blue['cold'] > 1.3 * plain[..., 0].mean() / plain[..., 2].mean()
    # a narrow field leaves more of the image dark
    assert (found['narrow'][0].max(2) < 40).mean() > (plain.max(2) < 40).mean() + 0.15
    for name in ANATOMIES:
        assert [len(i.polygons[0]) for i in found[name][1]] != [
            len(i.polygons[0]) for i in instances]
    structures = FAMILIES['obese'].anatomy(patient_anatomy(0, 1))
    fat, = (s for s in structures if s.label == 'adipose tissue' and s.slot == 0)
    before, = (s for s in patient_anatomy(0, 1) if s.label == 'adipose tissue' and s.slot == 0)
    assert np.ptp(fat.outline, 0) == pytest.approx(1.4 * np.ptp(before.outline, 0))
    assert structures[-1].label == 'adipose tissue'

    assert [family_of(p, ['cold', 'worn']) for p in (1, 2, 3)] == ['cold', 'worn', 'cold']
    generate(tmp_path / 'set', 2, 1, 5, SIZE, families=['worn', 'narrow'])
    image = cv2.imread(str(tmp_path / 'set/p002_f01.jpg'))
    narrow, _ = render_frame(5, 2, 1, SIZE, 1, 'narrow')
    assert np.abs(image.astype(int) - narrow).mean() < 6  # a JPEG of it
    with pytest.raises(FileExistsError, match='families'):
        generate(tmp_path / 'set', 2, 1, 5, SIZE)
    with pytest.raises(ValueError, match='hot: no such family; there are: cold'):
        generate(tmp_path / 'other', 1, 1, families=['hot'])
