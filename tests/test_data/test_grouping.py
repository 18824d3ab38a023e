"""Whose image is whose: names that settle it, names that do not, and what settles them."""
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patient_names import CLEAR, PEOPLE, UNCLEAR, names
from PIL import Image
from tool_runs import load_tool

from medseg.data.convert.records import ConversionError
from medseg.data.grouping import UnclearPatients, find_grouping
from medseg.data.splitting import patients_by_pattern, same_patient

SPLIT, CHECK = load_tool('tools/data/split.py'), load_tool('tools/data/check.py')


@pytest.mark.parametrize('case', CLEAR)
def test_clear_names(case):
    found, patients = CLEAR[case]
    assert len(set(find_grouping(found).patients)) == patients


@pytest.mark.parametrize('case', UNCLEAR)
def test_unclear_names_are_refused_with_what_they_offer(case):
    found, message = UNCLEAR[case]
    with pytest.raises(UnclearPatients) as error:
        find_grouping(found)
    assert all(text in str(error.value) for text in (
        message, '--pattern', '--csv', '--by folder', '--yes'))


def test_the_summary_tells_rule_patients_images_and_examples():
    text = find_grouping(names('p{a}_{b}.png', range(3), range(1, 5))).summary()
    assert text.startswith('3 patients by the number after the word for patient; 4 to 4 images per '
                           'patient (4.0 on average); p0: p0_1.png, p0_2.png, p0_3.png, ...; p1: ')


@pytest.mark.parametrize(('first', 'second', 'same'), [
    ('p1', 'case_1', True), ('p01', 'Patient 1', True), ('subj-7', 'pid7', True),
    ('p1', 'p10', False), ('p1', 'frame1', False), ('AB1', 'AB01', True), ('p1a', 'p1b', False)])
def test_spellings(first, second, same):
    assert (same_patient(first) == same_patient(second)) is same


@pytest.mark.parametrize('name', ['map01_3.png', 'step3_1.png', 'px_1.png', 'sp1_2.png', 'p.png',
                                  'supercase_x.png'])
def test_words_that_only_look_like_it(name):
    with pytest.raises(ConversionError, match='no patient'):
        patients_by_pattern([name])


def write(folder, split):
    """A COCO file for each subset, with an image for each name."""
    root = folder / 'data'
    for subset, found in split.items():
        images = []
        for number, name in enumerate(found):
            path = root / ('images' if subset == 'all' else subset) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(abs(hash((subset, name))) % 2 ** 32)
            Image.fromarray(noise.integers(0, 255, (8, 8, 3), np.uint8)).save(path, format='PNG')
            images.append({'id': number, 'file_name': name, 'width': 8, 'height': 8})
        file = root / f'annotations/instances_{subset}.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({
            'images': images, 'categories': [{'id': 1, 'name': 'bone'}], 'annotations': [
                {'id': item['id'], 'image_id': item['id'], 'category_id': 1, 'iscrowd': 0,
                 'bbox': [1, 1, 4, 4], 'area': 16, 'segmentation': [[1, 1, 5, 1, 5, 5, 1, 5]]}
                for item in images]}))
    return root


def people_by_subset(out, key):
    found = {}
    for subset in ('train', 'val', 'test'):
        content = json.loads((out / f'annotations/instances_{subset}.json').read_text())
        found[subset] = {key(image['file_name']) for image in content['images']}
    return found


#: What settles ``smith_p1.png``, and whose images stay together.
SETTLED = [
    (['--pattern', '(?:^|/)([^/_]+)_p'], lambda name: name.split('_')[0]),
    (['--yes'], lambda name: name.split('_')[1]),
    (['--csv', 'table.csv'], lambda name: name.split('_')[0]),
]


@pytest.mark.parametrize(('options', 'key'), SETTLED)
def test_split_refuses_until_settled(tmp_path, capsys, options, key):
    found = names('{a}_p{b}.png', PEOPLE)
    root = write(tmp_path, {'all': found})
    assert SPLIT.main([str(root), str(tmp_path / 'out')]) == 2
    assert 'at odds' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    table = tmp_path / 'table.csv'
    table.write_text('file,patient\n' + ''.join(f'{n},{n.split("_")[0]}\n' for n in found))
    options = [str(table) if item == 'table.csv' else item for item in options]
    assert SPLIT.main([str(root), str(tmp_path / 'out'), *options]) == 0
    people = people_by_subset(tmp_path / 'out', key)
    assert sum(map(len, people.values())) == len(set.union(*people.values()))
    assert 'images per patient' in capsys.readouterr().out


def test_split_by_folder(tmp_path, capsys):
    root = write(tmp_path, {'all': names('{a}/img_p{b}.png', PEOPLE)})
    assert SPLIT.main([str(root), str(tmp_path / 'out')]) == 2
    assert SPLIT.main([str(root), str(tmp_path / 'out'), '--by', 'folder']) == 0
    people = people_by_subset(tmp_path / 'out', lambda name: name.split('/')[0])
    assert sorted(map(len, people.values())) == [1, 1, 2]
    assert '4 patients by the folder; 10 to 10 images' in capsys.readouterr().out
    assert CHECK.main([str(tmp_path / 'out'), '--quiet', '--no-near']) == 0
    flat = write(tmp_path / 'flat', {'all': names('{a}_p{b}.png', PEOPLE)})
    assert SPLIT.main([str(flat), str(tmp_path / 'out2'), '--by', 'folder']) == 2
    assert 'lies in no folder' in capsys.readouterr().err


#: Names of two subsets, options of the checker, kinds it finds.
LEAKS = [
    (['p1_1.png', 'p2_1.png'], ['p2_2.png', 'p3_1.png'], [], {'patient in two subsets': 1}),
    (['p1_1.png', 'p1_2.png'], ['case_1_3.png', 'p3_1.png'], [], {'patient in two subsets': 1}),
    (['p1_1.png', 'p2_1.png'], ['p3_2.png', 'p4_1.png'], [], {}),
    (names('{a}_p{b}.png', PEOPLE, (1, 2)), names('{a}_p{b}.png', PEOPLE, (3, 4)), [],
     {'patients unclear': 1}),  # by the word, all four people leak; by the number, none
    (names('{a}_p{b}.png', PEOPLE, (1, 2)), names('{a}_p{b}.png', PEOPLE, (3, 4)), ['--yes'], {}),
    (names('{a}_p{b}.png', PEOPLE, (1, 2)), names('{a}_p{b}.png', PEOPLE, (3, 4)),
     ['--pattern', '^([a-z]+)_'], {'patient in two subsets': 4}),
    (names('{a}/{b}.png', PEOPLE, (1, 2)), names('{a}/{b}.png', PEOPLE, (3, 4)), [],
     {'patients unclear': 1}),
    (names('{a}/{b}.png', PEOPLE, (1, 2)), names('{a}/{b}.png', PEOPLE, (3, 4)),
     ['--by', 'folder'], {'patient in two subsets': 4}),
    (names('{a}/{b}.png', PEOPLE, (1, 2)), names('{a}/{b}.png', PEOPLE, (3, 4)),
     ['--by', 'image'], {}),
    (['1.png', '2.png'], ['3.png', '4.png'], [], {}),
]


@pytest.mark.parametrize(('train', 'val', 'options', 'kinds'), LEAKS)
def test_the_checker_uses_the_same_rule(tmp_path, train, val, options, kinds):
    root = write(tmp_path, {'train': train, 'val': val})
    found = tmp_path / 'found.json'
    code = CHECK.main([str(root), '--quiet', '--no-near', '--json', str(found), *options])
    assert json.loads(found.read_text())['by_kind'] == kinds
    assert code == bool(kinds)


PARTS = st.sampled_from(['p1', 'P02', 'case_3', 'smith', 'jones', 'train', 'img', '12', '7', 'left',
                         'patient-1', 'ä', '', '.', '\ud800', 'a' * 300])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PARTS, st.sampled_from('/_-. '), PARTS, PARTS).map(''.join), min_size=1,
                max_size=30, unique=True))
def test_no_names_break_the_rule(found):
    """Whatever the names: refused with a sentence, or a grouping that tears none of the others."""
    try:
        grouping = find_grouping(found)
    except UnclearPatients as error:
        assert str(error) and len(find_grouping(found, yes=True).patients) == len(found) \
            if error.candidates else str(error)
        return
    assert len(grouping.patients) == len(found)
    for name, patient in zip(found, grouping.patients, strict=True):
        assert same_patient(patient) in {same_patient(item) for item in patients_by_pattern([name])}
