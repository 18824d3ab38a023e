"""Every fault that check.py looks for, planted one at a time in a sound data set."""

import importlib.util
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location('check_tool', ROOT / 'tools/data/check.py')
check = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check)


def picture(seed):
    """A smooth random image of 60x40."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def data(tmp_path):
    """A sound data set; ``data.file(subset)`` reads, ``data.write(subset, content)`` writes."""
    root = tmp_path / 'data'
    for start, subset in ((0, 'train'), (3, 'val')):
        (root / subset).mkdir(parents=True)
        images, annotations = [], []
        for number in range(start, start + 3):
            Image.fromarray(picture(number)).save(root / subset / f'{number}.png')
            images.append({'id': number, 'file_name': f'{number}.png', 'width': 60, 'height': 40})
            annotations.append({'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                                'segmentation': [[0, 0, 60, 0, 60, 40]], 'bbox': [0, 0, 60, 40],
                                'area': 1200})
        write(root, subset, {'images': images, 'annotations': annotations,
                             'categories': [{'id': 1, 'name': 'bone'}]})
    return root


def write(root, subset, content):
    path = root / f'annotations/instances_{subset}.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def read(root, subset):
    return json.loads((root / f'annotations/instances_{subset}.json').read_text())


def run(root, tmp_path, *options):
    code = check.main([str(root), '--quiet', '--json', str(tmp_path / 'found.json'), *options])
    return code, json.loads((tmp_path / 'found.json').read_text())


def test_sound_set(data, tmp_path, capsys):
    assert run(data, tmp_path)[0] == 0
    assert 'findings: none' in capsys.readouterr().out


def first(key):
    def change(content, **values):
        content[key][0].update(values)
    return change


PLANTED = [
    ('annotations', {'bbox': [0, 0, 70, 40]}, 'box outside'),
    ('annotations', {'bbox': [-5, 0, 60, 40]}, 'box outside'),
    ('annotations', {'bbox': [0, 0, 0, 40]}, 'zero area'),
    ('annotations', {'bbox': [0, 0, 60]}, 'broken box'),
    ('annotations', {'bbox': [0, 0, 60, float('nan')]}, 'broken box'),
    ('annotations', {'segmentation': [[0, 0, 60, 0, 60, 50]]}, 'outline outside'),
    ('annotations', {'segmentation': [[0, 0, 10, 10, 20, 20]]}, 'zero area'),
    ('annotations', {'segmentation': [[0, 0, 10, 10]]}, 'broken outline'),
    ('annotations', {'segmentation': []}, 'broken outline'),
    ('annotations', {'segmentation': {'size': [60, 40], 'counts': 'abc'}}, 'wrong size'),
    ('annotations', {'area': 0}, 'zero area'),
    ('annotations', {'category_id': 9}, 'unknown category'),
    ('annotations', {'image_id': 99}, 'unknown image'),
    ('annotations', {'id': 1}, 'duplicate id'),
    ('images', {'width': 61}, 'wrong size'),
    ('images', {'file_name': 'gone.png'}, 'missing image'),
]


@pytest.mark.parametrize(('key', 'values', 'kind'), PLANTED)
def test_planted_fault_is_found(data, tmp_path, capsys, key, values, kind):
    content = read(data, 'train')
    first(key)(content, **values)
    write(data, 'train', content)
    code, found = run(data, tmp_path)
    assert code == 1
    assert found['by_kind'] == {kind: 1}
    assert 'instances_train.json' in found['findings'][0]['file']
    assert found['findings'][0]['record']
    assert f': {kind}: ' in capsys.readouterr().out


def test_duplicate_image_and_category_ids(data, tmp_path):
    content = read(data, 'train')
    content['images'][1]['id'] = 0
    content['annotations'][1]['image_id'] = 0
    content['categories'].append({'id': 1, 'name': 'nerve'})
    write(data, 'train', content)
    code, found = run(data, tmp_path)
    assert code == 1
    assert found['by_kind'] == {'duplicate id': 2, 'different categories': 1}


def test_truncated_image(data, tmp_path):
    path = data / 'train/0.png'
    path.write_bytes(path.read_bytes()[:-200])
    code, found = run(data, tmp_path)
    assert (code, found['by_kind']) == (1, {'broken image': 1})


def test_same_pixels_in_two_subsets(data, tmp_path):
    # other bytes, same pixels
    Image.open(data / 'train/1.png').save(data / 'val/4.png', compress_level=1)
    code, found = run(data, tmp_path)
    assert (code, found['by_kind']) == (1, {'image in two subsets': 1})
    assert found['findings'][0]['record'] == '4.png'


@pytest.mark.parametrize('change', [
    lambda image: np.clip(image * 1.1 + 5, 0, 255).astype(np.uint8),
    lambda image: cv2.resize(cv2.resize(image, (90, 60)), (60, 40)),
    lambda image: cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], 1),
], ids=['brighter', 'resized', 'jpeg'])
def test_near_duplicate_in_two_subsets(data, tmp_path, change):
    Image.fromarray(change(picture(1))).save(data / 'val/4.png')
    code, found = run(data, tmp_path)
    assert (code, found['by_kind']) == (1, {'near-duplicate in two subsets': 1})
    assert run(data, tmp_path, '--no-near')[0] == 0


def test_blank_images_are_no_near_duplicates(data, tmp_path):
    Image.new('RGB', (60, 40), (9, 9, 9)).save(data / 'train/1.png')
    Image.new('RGB', (60, 40), (200, 200, 200)).save(data / 'val/4.png')
    assert run(data, tmp_path)[0] == 0


def test_patient_in_two_subsets(data, tmp_path):
    for subset, patient in (('train', 'p1'), ('val', 'p1')):
        content = read(data, subset)
        content['images'][0]['patient'] = patient
        write(data, subset, content)
    code, found = run(data, tmp_path)
    assert (code, found['by_kind']) == (1, {'patient in two subsets': 1})


def test_broken_structure(data, tmp_path):
    write(data, 'val', {'images': 3, 'annotations': [{'id': 1}, 'x'], 'categories': []})
    code, found = run(data, tmp_path)
    assert code == 1
    assert found['by_kind'] == {'broken file': 2, 'broken record': 2, 'different categories': 1}


def test_image_folders_can_be_given(data, tmp_path, capsys):
    files = [str(data / f'annotations/instances_{subset}.json') for subset in ('train', 'val')]
    moved = tmp_path / 'moved'
    shutil.move(data / 'val', moved)
    assert check.main([*files, '--quiet']) == 2
    assert '--images' in capsys.readouterr().err
    assert check.main([*files, '--quiet', '--images', str(data / 'train'), str(moved)]) == 0
    assert check.main([*files, '--quiet', '--images', str(moved), str(moved), str(moved)]) == 2
    assert check.main([*files, '--quiet', '--images', str(data / 'train')]) == 1  # val is not there


def test_wrong_files(data, tmp_path, capsys):
    assert check.main([str(tmp_path / 'gone.json')]) == 2
    (data / 'annotations/instances_val.json').write_text('{')
    assert check.main([str(data)]) == 2
    assert 'is not JSON' in capsys.readouterr().err
