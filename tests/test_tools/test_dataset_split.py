"""Splits: sizes, patients, strata, determinism, refusals."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg.data.convert.records import ConversionError
from medseg.data.splitting import (
    image_sizes,
    patients_by_csv,
    patients_by_pattern,
    stratified_split,
    subset_sizes,
)

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location('split_tool', ROOT / 'tools/data/split.py')
split = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(split)

SUBSETS = ('train', 'val', 'test')


def coco(names, seed=0):
    """Images with zero to three objects of four classes; class 4 is rare."""
    rng = np.random.default_rng(seed)
    images = [{'id': 7 * i + 3, 'file_name': name, 'width': 20, 'height': 20}
              for i, name in enumerate(names)]
    annotations = []
    for image in images:
        for category, chance in ((1, 0.6), (2, 0.4), (3, 0.7), (4, 0.15)):
            for _ in range(rng.binomial(3, chance / 2)):
                annotations.append({
                    'id': len(annotations) + 1, 'image_id': image['id'], 'category_id': category,
                    'segmentation': [[1, 1, 5, 1, 5, 5]], 'bbox': [1, 1, 4, 4], 'area': 8,
                    'iscrowd': 0})
    categories = [{'id': i, 'name': f'class {i}'} for i in (1, 2, 3, 4)]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def write(root, content, subset='all'):
    path = root / 'annotations' / f'instances_{subset}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def peld(tmp_path):
    names = [f'p{patient:02d}_f{frame}.png' for patient in range(1, 62) for frame in range(10)]
    write(tmp_path / 'peld', coco(names))
    return tmp_path / 'peld'


def load(out):
    return {subset: json.loads((out / f'annotations/instances_{subset}.json').read_text())
            for subset in SUBSETS}


def names_of(part):
    return {image['file_name'] for image in part['images']}


def test_61_patients_make_49_6_6(peld, tmp_path, capsys):
    assert split.main([str(peld), str(tmp_path / 'out')]) == 0
    parts = load(tmp_path / 'out')
    assert [len(parts[subset]['images']) for subset in SUBSETS] == [490, 60, 60]
    patients = [{name.split('_')[0] for name in names_of(parts[subset])} for subset in SUBSETS]
    assert [len(group) for group in patients] == [49, 6, 6]
    assert len(set.union(*patients)) == 61
    manifest = json.loads((tmp_path / 'out/split.json').read_text())
    assert manifest['subsets']['test']['patients'] == sorted(patients[2])
    assert manifest['patients_in_several_subsets'] == []
    assert 'patients: train 49, val 6, test 6' in capsys.readouterr().out


def test_nothing_is_lost_or_changed(peld, tmp_path):
    assert split.main([str(peld), str(tmp_path / 'out')]) == 0
    source = json.loads((peld / 'annotations/instances_all.json').read_text())
    parts = load(tmp_path / 'out')
    merged = [item for subset in SUBSETS for item in parts[subset]['annotations']]
    assert sorted(merged, key=lambda item: item['id']) == source['annotations']
    for part in parts.values():
        assert {item['image_id'] for item in part['annotations']} <= {
            image['id'] for image in part['images']}
        assert part['categories'] == source['categories']


def test_classes_are_shared_evenly(peld, tmp_path):
    assert split.main([str(peld), str(tmp_path / 'out')]) == 0
    parts = load(tmp_path / 'out')
    for category in (1, 2, 3, 4):
        counts = [len({item['image_id'] for item in parts[subset]['annotations']
                       if item['category_id'] == category}) for subset in SUBSETS]
        for count in counts[1:]:
            assert count == pytest.approx(sum(counts) * 60 / 610, rel=0.25)


def test_seed_decides(peld, tmp_path):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        assert split.main([str(peld), str(tmp_path / name), '--seed', str(seed)]) == 0
    a, b, c = (load(tmp_path / name) for name in 'abc')
    assert a == b
    assert names_of(a['test']) != names_of(c['test'])


def test_order_of_the_images_does_not_matter(peld, tmp_path):
    content = json.loads((peld / 'annotations/instances_all.json').read_text())
    content['images'].reverse()
    write(tmp_path / 'turned', content)
    assert split.main([str(peld), str(tmp_path / 'a')]) == 0
    assert split.main([str(tmp_path / 'turned'), str(tmp_path / 'b')]) == 0
    assert names_of(load(tmp_path / 'a')['test']) == names_of(load(tmp_path / 'b')['test'])


def test_by_image_has_the_papers_sizes_and_warns(peld, tmp_path, capsys):
    assert split.main([str(peld), str(tmp_path / 'out'), '--by', 'image']) == 0
    parts = load(tmp_path / 'out')
    assert [len(parts[subset]['images']) for subset in SUBSETS] == [490, 60, 60]
    assert len(set.union(*map(names_of, parts.values()))) == 610
    assert 'patients have images in more than one subset' in capsys.readouterr().out


def test_by_image_needs_no_patients(tmp_path, capsys):
    write(tmp_path / 'src', coco([f'{number}.png' for number in range(50)]))
    assert split.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--by', 'image']) == 0
    assert [len(part['images']) for part in load(tmp_path / 'out').values()] == [40, 5, 5]
    assert 'warning: split by image' in capsys.readouterr().out


def test_names_without_patient_are_refused_with_remedies(tmp_path, capsys):
    write(tmp_path / 'src', coco(['p1_a.png', 'p2_a.png', 'frame7.png']))
    assert split.main([str(tmp_path / 'src'), str(tmp_path / 'out')]) == 2
    message = capsys.readouterr().err
    assert all(text in message for text in ('frame7.png', '1 of 3', '--pattern', '--csv'))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('name', 'patient'), [
    ('p01_003.png', 'p01'), ('P7-frame2.jpg', 'P7'), ('Patient_012/4.png', 'Patient_012'),
    ('train/p3_1.png', 'p3'), ('a/case-5.png', 'case-5'), ('video_pat9_x.png', 'pat9'),
])
def test_default_pattern(name, patient):
    assert patients_by_pattern([name]) == [patient]


@pytest.mark.parametrize('name', ['map01_3.png', 'p01.f3x', 'step3_1.png', 'px_1.png'])
def test_default_pattern_does_not_guess(name):
    if name == 'p01.f3x':  # a name that is nothing but the patient
        assert patients_by_pattern([name]) == ['p01']
        return
    with pytest.raises(ConversionError, match=name):
        patients_by_pattern([name])


def test_spellings_of_a_patient_stay_together():
    assert patients_by_pattern(['p01_1.png', 'P1_2.png', 'p1_3.png', 'p10_1.png']) == [
        'p01', 'p01', 'p01', 'p10']


def test_own_pattern_and_bad_patterns(tmp_path, capsys):
    assert patients_by_pattern(['x-AB12-1.png'], r'-([A-Z]{2}\d+)-') == ['AB12']
    with pytest.raises(ConversionError, match='not a regular expression'):
        patients_by_pattern(['a.png'], '(')


def test_csv(tmp_path):
    table = tmp_path / 'patients.csv'
    table.write_text('file,patient,age\na.png,Ann,50\nsub/b,Bob,61\nsub\\c.png,ann,50\n')
    assert patients_by_csv(['a.png', 'train/sub/b.png', 'sub/c.png'], table) == [
        'Ann', 'Bob', 'Ann']


@pytest.mark.parametrize(('text', 'names', 'message'), [
    ('name,patient\na,1\n', ['a.png'], 'must name file and patient'),
    ('file,patient\na.png,1\n', ['b.png'], 'no line for image b.png'),
    ('file,patient\na.png,1\na.png,2\n', ['a.png'], 'line 3: a.png has patient'),
    ('file,patient\na.png,\n', ['a.png'], 'line 2: file or patient is empty'),
    ('file,patient\n1.png,x\n', ['p/1.png', 'q/1.png'], 'means both p/1.png and q/1.png'),
])
def test_bad_csv(tmp_path, text, names, message):
    (tmp_path / 'patients.csv').write_text(text)
    with pytest.raises(ConversionError, match=message):
        patients_by_csv(names, tmp_path / 'patients.csv')


def test_csv_option_groups(tmp_path):
    names = [f'{number:02d}.png' for number in range(40)]
    write(tmp_path / 'src', coco(names))
    lines = [f'{name},{int(name[:2]) // 4}' for name in names]
    (tmp_path / 'patients.csv').write_text('\n'.join(['file,patient', *lines]))
    assert split.main([str(tmp_path / 'src'), str(tmp_path / 'out'),
                       '--csv', str(tmp_path / 'patients.csv')]) == 0
    parts = load(tmp_path / 'out')
    patients = [{int(name[:2]) // 4 for name in names_of(part)} for part in parts.values()]
    assert [len(group) for group in patients] == [8, 1, 1]
    assert len(set.union(*patients)) == 10


def test_sizes():
    assert subset_sizes(61, (8, 1, 1)) == [49, 6, 6]
    assert subset_sizes(3, (8, 1, 1)) == [1, 1, 1]
    assert subset_sizes(10, (8, 2, 0)) == [8, 2, 0]
    assert image_sizes(610, (8, 1, 1), 61) == [490, 60, 60]
    assert image_sizes(610, (8, 1, 1), None) == [488, 61, 61]
    for count, ratios in ((2, (8, 1, 1)), (10, (8, -1, 1)), (10, (0, 0, 0))):
        with pytest.raises(ConversionError):
            subset_sizes(count, ratios)


def test_search_finds_a_perfect_split():
    # ten groups, five with one class and five with the other: halves can be exactly even
    features = np.array([[1, 1, 0]] * 4 + [[1, 0, 1]] * 4, dtype=float)
    labels = stratified_split(features, (4, 2, 2), seed=3)
    for subset, count in enumerate((4, 2, 2)):
        assert features[labels == subset].sum(axis=0).tolist() == [count, count / 2, count / 2]


def test_split_in_place_and_again(peld, capsys):
    (peld / 'images').mkdir()
    for name in names_of(json.loads((peld / 'annotations/instances_all.json').read_text())):
        (peld / 'images' / name).touch()
    assert split.main([str(peld), str(peld)]) == 0
    assert not any(path.is_symlink() for path in (peld / 'images').iterdir())
    first = load(peld)
    assert split.main([str(peld), str(peld), '--seed', '5']) == 2
    assert 'exists' in capsys.readouterr().err
    assert load(peld) == first
    assert split.main([str(peld), str(peld), '--seed', '5', '--overwrite']) == 0
    assert load(peld) != first
    assert f'img prefix: {peld / "images"}' in capsys.readouterr().out


def test_another_folder_gets_a_complete_set(tmp_path):
    """Annotations of another tool in, a set that check.py takes out."""
    names = [f'p{patient}_f{frame}.png' for patient in range(10) for frame in range(2)]
    src, out = tmp_path / 'src', tmp_path / 'out'
    (src / 'images').mkdir(parents=True)
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(noise).save(src / 'images' / name)
    content = coco(names)
    for image in content['images']:  # Label Studio's way
        image['file_name'] = 'images\\' + image['file_name']
    (src / 'result.json').write_text(json.dumps(content))
    assert split.main([str(src), str(out)]) == 0
    spec = importlib.util.spec_from_file_location('check_tool', ROOT / 'tools/data/check.py')
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    assert check.main([str(out), '--quiet', '--no-near']) == 0
    assert sum(len(part['images']) for part in load(out).values()) == 20


def test_converted_split_is_made_anew(tmp_path):
    src, out = tmp_path / 'src', tmp_path / 'out'
    for start, subset in ((0, 'train'), (8, 'val'), (12, 'test')):
        names = [f'p{number}_{frame}.png' for number in range(start, start + 4) for frame in '12']
        write(src, coco(names, seed=start), subset)
        for name in names:
            (src / subset).mkdir(exist_ok=True)
            Image.new('RGB', (20, 20), (start, 0, 0)).save(src / subset / name)
    assert split.main([str(src), str(out), '--images', 'copy', '--counts', '6', '3', '3']) == 0
    parts = load(out)
    assert [len(part['images']) for part in parts.values()] == [12, 6, 6]
    for part in parts.values():
        for image in part['images']:
            copied = out / 'images' / image['file_name']
            assert copied.read_bytes() == (src / image['file_name']).read_bytes()
    total = sum(len(json.loads(path.read_text())['annotations'])
                for path in (src / 'annotations').iterdir())
    assert sum(len(part['annotations']) for part in parts.values()) == total
    assert split.main([str(src), str(src), '--overwrite']) == 2  # would replace its own source


def test_wrong_sources(tmp_path, capsys):
    assert split.main([str(tmp_path / 'gone'), str(tmp_path / 'out')]) == 2
    assert 'no such file' in capsys.readouterr().err
    path = write(tmp_path / 'src', {'images': []})
    assert split.main([str(path), str(tmp_path / 'out')]) == 2
    assert "no list of 'annotations'" in capsys.readouterr().err
    write(tmp_path / 'src', coco([f'p{number}_1.png' for number in range(9)]))
    assert split.main([str(path), str(tmp_path / 'out'), '--counts', '1', '1', '1']) == 2
    assert 'add up to 3, but there are 9' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def folds_of(root, subset, count=5):
    return [json.loads((root / f'annotations/instances_{subset}_fold{k}.json').read_text())
            for k in range(1, count + 1)]


def test_folds_test_every_patient_once(peld, tmp_path, capsys):
    assert split.main([str(peld), str(tmp_path / 'out'), '--folds', '5']) == 0
    test, train, val = (folds_of(tmp_path / 'out', subset) for subset in ('test', 'train', 'val'))
    patients = [[{name.split('_')[0] for name in names_of(part)} for part in parts]
                for parts in (test, train, val)]
    assert [len(group) for group in patients[0]] == [13, 12, 12, 12, 12]
    assert len(set.union(*patients[0])) == 61
    for tested, trained, validated in zip(*patients, strict=True):
        assert len(trained | validated | tested) == len(trained) + len(validated) + len(tested)
        assert len(trained | validated | tested) == 61
        assert len(validated) == 5  # a ninth of 48 or 49
    for category in (1, 2, 3, 4):
        counts = [sum(item['category_id'] == category for item in part['annotations'])
                  for part in test]
        assert max(counts) - min(counts) <= 0.2 * sum(counts) / 5 + 2
    assert 'fold 1: patients: train 43, val 5, test 13' in capsys.readouterr().out
    manifest = json.loads((tmp_path / 'out/folds.json').read_text())
    assert [len(fold['test']['patients']) for fold in manifest['folds']] == [13, 12, 12, 12, 12]
    assert split.main([str(peld), str(tmp_path / 'again'), '--folds', '5']) == 0
    assert folds_of(tmp_path / 'again', 'train') == train


def test_folds_that_cannot_be_made(tmp_path, capsys):
    write(tmp_path / 'src', coco(['p1_a.png', 'p2_a.png', 'p2_b.png']))
    for folds in ('1', '3'):
        assert split.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--folds', folds]) == 2
        assert 'must be between 2 and' in capsys.readouterr().err
    # one patient is left beside the one that is tested: too few to train and to validate
    assert split.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--folds', '2']) == 2
    assert 'too few to split by' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_folds_beside_a_split_keep_its_images(tmp_path, capsys):
    names = [f'p{number}_1.png' for number in range(1, 9)]
    write(tmp_path / 'src', coco(names))
    (tmp_path / 'src/images').mkdir()
    for name in names:
        Image.new('RGB', (20, 20)).save(tmp_path / 'src/images' / name)
    words = [str(tmp_path / 'src'), str(tmp_path / 'out')]
    assert split.main(words) == 0 and (tmp_path / 'out/images/p1_1.png').is_symlink()
    assert split.main([*words, '--folds', '2']) == 0
    assert {name for part in folds_of(tmp_path / 'out', 'test', 2) for name in names_of(part)} \
        == set(names)
    assert split.main(words) == 2  # the same split again is still refused
    assert 'exists; give another directory or pass --overwrite' in capsys.readouterr().err
