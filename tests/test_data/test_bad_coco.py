"""Bad COCO files: what the checker passes, training takes; what training refuses, it finds.

Training is the data set that configs use, read to the last mask, and the metric on the same file.
"""
import copy
import json

import cv2
import numpy as np
import pytest
from bad_coco_files import ALL, FILES, HEIGHT, ROWS, WIDTH, image, sound
from mmdet.registry import DATASETS, METRICS
from tool_runs import load_tool

import medseg.data.named_coco  # noqa: F401
import medseg.data.transforms
import medseg.metrics  # noqa: F401
from medseg.errors import UserError

CHECK = load_tool('tools/data/check.py')


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'{number}.png'), pixels)
    return tmp_path


def write(folder, row):
    content = copy.deepcopy(sound())
    row(content)
    path = folder / 'a.json'
    path.write_text(json.dumps(content))
    return path


def checked(path, capsys):
    """Exit code of the checker, and the kinds it found."""
    found = path.with_name('found.json')
    code = CHECK.main(
        [str(path), '--images', str(path.parent), '--quiet', '--no-near', '--json', str(found)])
    assert 'Traceback' not in capsys.readouterr().err
    return code, json.loads(found.read_text())['by_kind'] if code != 2 else {}


def trained(path, monkeypatch):
    """What training does with a file, and what it says."""
    said = []
    for module in ('checked_coco', 'named_coco'):
        monkeypatch.setattr(f'medseg.data.{module}.print_log',
                            lambda message, *args, **kwargs: said.append(message))
    try:
        data = DATASETS.build(dict(
            type='NamedCocoDataset', ann_file=str(path), data_prefix=dict(img=str(path.parent)),
            metainfo=dict(classes=('bone',)), pipeline=[
                dict(type='LoadImageFromFile'), dict(type='LoadPolygonAnnotations')]))
        samples = [data[i] for i in range(len(data))]
    except (UserError, ValueError) as error:
        return 'refused', [str(error)]
    for sample in samples:
        masks = sample['gt_masks'].to_bitmap().masks
        assert masks.any(axis=(1, 2)).all()
    kept = sum(len(sample['gt_masks']) for sample in samples)
    said_by_training = list(said)
    metric = METRICS.build(dict(type='InstanceMetric', ann_file=str(path)))
    for annotation in metric._coco_api.anns.values():
        if annotation.get('segmentation'):
            assert metric._coco_api.annToMask(annotation).shape == (HEIGHT, WIDTH)
    return f'{kept} objects', said_by_training


@pytest.mark.parametrize('name', ROWS)
def test_checker_and_training_agree(folder, name, capsys, monkeypatch):
    row, expected, kind = ROWS[name]
    path = write(folder, row)
    code, kinds = checked(path, capsys)
    outcome, said = trained(path, monkeypatch)
    assert outcome == expected
    assert code == (kind is not None)
    assert kind is None or kind in kinds  # an entry that goes takes what refers to it along
    if code == 0:
        assert outcome == ALL and not said
    if outcome != ALL:
        assert len(said) == 1 and str(path) in said[0] and len(said[0]) < 1500
        assert outcome == 'refused' or kind in said[0]


@pytest.mark.parametrize('name', FILES)
def test_files_that_are_none(folder, name, capsys, monkeypatch):
    path = folder / 'a.json'
    path.write_bytes(FILES[name])
    assert checked(path, capsys)[0] != 0
    outcome, said = trained(path, monkeypatch)
    assert outcome == 'refused' and str(path) in said[0]


def test_byte_order_mark(folder, capsys, monkeypatch):
    path = folder / 'a.json'
    path.write_bytes(b'\xef\xbb\xbf' + json.dumps(sound()).encode())
    assert checked(path, capsys) == (0, {})
    assert trained(path, monkeypatch) == (ALL, [])


@pytest.mark.parametrize(('suffix', 'kind'), [('.gif', 'unreadable type'), ('.png', None),
                                              ('.bmp', None), ('.webp', None), ('.tif', None)])
def test_types_of_images(folder, capsys, monkeypatch, suffix, kind):
    from PIL import Image
    Image.open(folder / '1.png').save(folder / f'x{suffix}')
    path = write(folder, image(file_name=f'x{suffix}'))
    code, kinds = checked(path, capsys)
    assert (code, set(kinds)) == ((0, set()) if kind is None else (1, {kind}))
    if code == 0:
        assert trained(path, monkeypatch) == (ALL, [])


def test_outlines_without_end_cost_little(folder):
    """The rows that took 20 GB and hours are told within seconds, in a process of 2 GB."""
    import resource
    import subprocess
    import sys
    content = sound()
    tangle = np.random.default_rng(0).random((50_000, 2)) * (WIDTH, HEIGHT)
    content['annotations'][0]['segmentation'] = [tangle.reshape(-1).tolist()]
    content['annotations'][1]['segmentation'] = [[5, 5, 1e308, 9, 5, 9]]
    path = folder / 'a.json'
    path.write_text(json.dumps(content))
    script = ('import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30));'
              'from medseg.data.coco_rules import find_faults; from medseg.io import read_json;'
              'print(sorted({fault.kind for fault in find_faults(read_json(sys.argv[1]))}))')
    result = subprocess.run([sys.executable, '-c', script, str(path)], capture_output=True,
                            text=True, timeout=30)
    assert result.stdout.strip() == "['outside the image']", result.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20


#: Command line of each tool that reads COCO files beside the checker; ``{}`` is a new folder.
TOOLS = {
    'split': ['--by', 'image', '--counts', '1', '1', '0', '--images', 'none'],
    'stats': ['--json', '{}/stats.json'],
    'browse': ['--out', '{}/drawn'],
}


@pytest.mark.parametrize('tool', TOOLS)
def test_other_tools_say_what_is_wrong(folder, tmp_path_factory, capsys, tool):
    """Every bad file: an exit code and a sentence, never a traceback."""
    main = load_tool(f'tools/data/{tool}.py').main
    codes = {}
    for name, (row, _, _) in ROWS.items():
        path, out = write(folder, row), tmp_path_factory.mktemp('out')
        options = [word.format(out) for word in TOOLS[tool]]
        first = {'split': [str(path), str(out / 'split'), '--image-dir', str(folder)],
                 'stats': [str(path)],
                 'browse': [str(path), '--images', str(folder)]}[tool]
        codes[name] = main([*first, *options])
        told = capsys.readouterr()
        assert codes[name] in (0, 1, 2), name
        assert codes[name] == 0 or 'a.json' in told.err or 'leads out' in told.err, name
    for name, data in FILES.items():
        path = folder / 'a.json'
        path.write_bytes(data)
        out = tmp_path_factory.mktemp('out')
        first = [str(path), str(out / 'split')] if tool == 'split' else [str(path)]
        assert main([*first, *[word.format(out) for word in TOOLS[tool]]]) == 2, name
        assert 'a.json' in capsys.readouterr().err
    assert codes['sound'] == 0
    assert codes['category id is a list'] == codes['name leads out'] == 2
    if tool != 'split':
        assert codes['1e308'] == codes['negative run'] == codes['nan box'] == 1


@pytest.mark.parametrize('name', ['negative area', 'nan area', 'infinite box', 'no width',
                                  'no box'])
def test_histograms_of_bad_numbers(folder, name):
    stats = load_tool('tools/data/stats.py')
    path = write(folder, ROWS[name][0])
    assert stats.main([str(path), '--out', str(folder / 'stats.png')]) in (0, 1)
    assert cv2.imread(str(folder / 'stats.png')) is not None
