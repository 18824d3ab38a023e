"""One bad file never costs the batch: it is listed with a reason, and the good one comes out."""
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from bad_annotations import (
    DEEP,
    FILES,
    LINES,
    OBJECTS,
    SHAPES,
    TRIANGLE,
    YAMLS,
    labelme,
    png,
    square,
    thing,
)
from tool_runs import ROOT, load_tool

LABELME, YOLO, SUPERVISELY = (load_tool(f'tools/data/{name}.py')
                              for name in ('labelme', 'yolo_seg', 'supervisely'))
def run_labelme(tmp_path, *options):
    """Exit code and report; the good image must have come out."""
    out = tmp_path / 'out'
    code = LABELME.main([str(tmp_path / 'src'), str(out), '--quiet', *options])
    report = json.loads((out / 'conversion_report.json').read_text())
    coco = json.loads((out / 'annotations/instances_all.json').read_text())
    assert 'good.png' in {image['file_name'] for image in coco['images']}
    total = report['total']
    assert total['records_in'] == total['annotations_out'] + total['merged'] + total['listed']
    return code, report, coco


def add(tmp_path, name, content, image=True):
    folder = tmp_path / 'src'
    folder.mkdir(exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(
        content).replace('x.png', f'{name}.png').encode()
    (folder / f'{name}.json').write_bytes(data)
    if image:
        (folder / f'{name}.png').write_bytes(png(value=60 + len(name)))


@pytest.mark.parametrize('case', SHAPES)
def test_labelme_shapes(tmp_path, case):
    shape, kind = SHAPES[case]
    add(tmp_path, 'good', labelme(square()))
    add(tmp_path, 'other', labelme(shape, square()))
    code, report, coco = run_labelme(tmp_path)
    assert (code, report['skipped_by_kind'], len(coco['annotations'])) == (0, {kind: 1}, 2)


@pytest.mark.parametrize('case', FILES)
def test_labelme_files(tmp_path, case):
    content, kind = FILES[case]
    add(tmp_path, 'good', labelme(square()))
    add(tmp_path, 'other', content)
    code, report, coco = run_labelme(tmp_path)
    assert code == 0
    assert (kind in report['skipped_by_kind']) if kind else len(coco['images']) == 2


def test_labelme_links_and_names(tmp_path):
    add(tmp_path, 'good', labelme(square()))
    folder = tmp_path / 'src'
    for name in ('loop.json', 'loop.png'):
        (folder / name).symlink_to(name)
    (folder / 'gone.png').symlink_to('nowhere.png')
    (folder / 'back').symlink_to('.')
    strange = os.fsencode(folder) + b'/\xff\xfe'
    for ending, data in ((b'.png', png(value=77)), (b'.json', json.dumps(
            labelme(square(), square(points=[[1, 1], [9, 1], [9, 9]]))).encode())):
        with open(strange + ending, 'wb') as file:
            file.write(data)
    long = 'b' * 250
    (folder / f'{long}.json').write_text(json.dumps(labelme(square(), imagePath='')))
    code, report, coco = run_labelme(tmp_path)
    assert code == 0
    assert [image['file_name'] for image in coco['images']] == ['good.png']
    assert report['skipped_by_kind']['broken name'] == 1
    assert report['skipped_by_kind']['broken label file'] == 1
    listed = {item['kind']: item['records'] for item in report['skipped']}
    assert listed['broken name'] == 2 and listed['missing image'] == 1


#: Where an imagePath leads, and whether ``--allow-outside`` takes it.
OUTSIDE = ['../secret.png', 'sub/../../secret.png', '..\\secret.png', '{root}/secret.png',
           'link.png', 'folder/secret.png']


@pytest.mark.parametrize('name', OUTSIDE)
def test_images_outside_the_source(tmp_path, name):
    (tmp_path / 'secret.png').write_bytes(png(value=200))
    add(tmp_path, 'good', labelme(square()))
    (tmp_path / 'src/sub').mkdir()
    (tmp_path / 'src/link.png').symlink_to('../secret.png')
    (tmp_path / 'src/folder').symlink_to('..')
    add(tmp_path, 'other', labelme(square(), imagePath=name.format(root=tmp_path)), image=False)
    _, report, coco = run_labelme(tmp_path)
    assert len(coco['images']) == 1
    assert report['skipped_by_kind']['image elsewhere'] == 1
    assert '--allow-outside' in str(report['skipped'])
    _, _, coco = run_labelme(tmp_path, '--allow-outside', '--overwrite')
    assert 'other.png' in {image['file_name'] for image in coco['images']}
    assert (tmp_path / 'out/images/other.png').read_bytes() == png(value=200)


def test_an_image_of_the_same_name_beside_it_is_taken_instead(tmp_path):
    (tmp_path / 'good.png').write_bytes(png(value=200))
    add(tmp_path, 'good', labelme(square(), imagePath='../good.png'))
    _, report, _ = run_labelme(tmp_path)
    assert (tmp_path / 'out/images/good.png').read_bytes() == png(value=64)
    assert not report['skipped']


def box(low, high, group=1):
    return square(points=[[low, low], [high, low], [high, high], [low, high]], group_id=group)


#: Rings of one group: area filled, area with --holes.
NESTED = {
    'hole': ([box(0, 30), box(10, 20)], 900, 800),
    'island in a hole': ([box(0, 30), box(5, 25), box(10, 20)], 900, 600),
    'two holes': ([box(0, 30), box(2, 10), box(15, 25)], 900, 736),
    'beside': ([box(0, 10), box(20, 30)], 200, 200),
    'overlapping': ([box(0, 20), box(10, 30)], 700, 700),
    'another group': ([box(0, 30), box(10, 20, group=2)], 1000, 1000),
}


@pytest.mark.parametrize('case', NESTED)
def test_holes(tmp_path, case):
    shapes, filled, cut = NESTED[case]
    add(tmp_path, 'good', labelme(*shapes))
    _, report, coco = run_labelme(tmp_path)
    assert sum(item['area'] for item in coco['annotations']) == filled
    assert ('filled hole' in report['warnings_by_kind']) == (filled != cut)
    _, report, coco = run_labelme(tmp_path, '--holes', '--overwrite')
    assert sum(item['area'] for item in coco['annotations']) == cut
    assert ('hole cut' in report['warnings_by_kind']) == (filled != cut)
    assert all(abs(item['area'] - sum(map(shoelace, item['segmentation']))) < 1e-6
               for item in coco['annotations'] if case != 'overlapping')


def shoelace(flat):
    x, y = np.reshape(flat, (-1, 2)).T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize('case', OBJECTS)
def test_supervisely_objects(tmp_path, case):
    item, kind = OBJECTS[case]
    report = run_supervisely(tmp_path, json.dumps({'objects': [item, thing()]}).encode())
    assert report['skipped_by_kind'] == {kind: 1}
    assert report['total']['annotations_out'] == 2


@pytest.mark.parametrize('data', [DEEP.encode(), b'{"objects": %s}' % DEEP.encode(), b'\xff', b'5',
                                  b'{"objects": {}}', b'{"objects": [], "size": 5}',
                                  b'{"objects": [], "size": %s}' % (b'9' * 5000)])
def test_supervisely_files(tmp_path, data):
    report = run_supervisely(tmp_path, data)
    assert report['skipped_by_kind'] == {'broken label file': 1}


def run_supervisely(tmp_path, data):
    """Report of a project with a good image and one whose annotation file is ``data``."""
    for folder in ('ann', 'img'):
        (tmp_path / 'src/ds' / folder).mkdir(parents=True)
    (tmp_path / 'src/meta.json').write_text('{"classes": [{"title": "bone"}]}')
    for name, content in (('good', json.dumps({'objects': [thing()]}).encode()), ('other', data)):
        (tmp_path / f'src/ds/img/{name}.png').write_bytes(png(value=len(name)))
        (tmp_path / f'src/ds/ann/{name}.png.json').write_bytes(content)
    assert SUPERVISELY.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--quiet']) == 0
    report = json.loads((tmp_path / 'out/conversion_report.json').read_text())
    assert report['total']['images_out'] >= 1
    return report


def run_yolo(tmp_path, data, names=b'names: [bone]\n', code=0):
    for folder in ('images/train', 'labels/train'):
        (tmp_path / 'src' / folder).mkdir(parents=True)
    (tmp_path / 'src/data.yaml').write_bytes(names)
    for name, content in (('good', TRIANGLE), ('other', data)):
        (tmp_path / f'src/images/train/{name}.png').write_bytes(png(value=len(name)))
        label = tmp_path / f'src/labels/train/{name}.txt'
        if content is None:
            label.symlink_to(label.name)
        else:
            label.write_bytes(content)
    assert YOLO.main([str(tmp_path / 'src'), str(tmp_path / 'out'), '--quiet',
                      '--skip-unknown']) == code
    if code == 0:
        return json.loads((tmp_path / 'out/conversion_report.json').read_text())
    return None


@pytest.mark.parametrize('case', LINES)
def test_yolo_lines(tmp_path, case):
    line, kind = LINES[case]
    report = run_yolo(tmp_path, line + b'\n' + TRIANGLE)
    assert report['skipped_by_kind'] == {kind: 1}
    assert report['total']['annotations_out'] == 2


@pytest.mark.parametrize('unlabelled', ['skip', 'background'])
def test_yolo_label_that_is_a_looped_link(tmp_path, unlabelled):
    report = run_yolo(tmp_path, None)
    assert report['skipped_by_kind'] == {'broken label file': 1}
    assert report['total']['images_out'] == 1


@pytest.mark.parametrize('case', YAMLS)
def test_yaml(tmp_path, case, capsys):
    names, message = YAMLS[case]
    run_yolo(tmp_path, TRIANGLE, names, code=2)
    error = capsys.readouterr().err
    assert message in error and 'data.yaml' in error and len(error) < 2000


#: Runs a tool in a process that may take 2 GB.
LIMITED = ('import resource, runpy, sys; sys.argv = sys.argv[1:];'
           'resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30));'
           'runpy.run_path(sys.argv[0], run_name="__main__")')


def test_bombs_stay_below_two_gigabytes(tmp_path):
    """All files that unpack to much, in one run of each converter that may take 2 GB and 30 s."""
    add(tmp_path, 'good', labelme(square()))
    for number, name in enumerate(('mask of 16000 squared', 'a million points', 'miles around')):
        add(tmp_path, f'bad{number}', labelme(SHAPES[name][0]))
    for number, name in enumerate(('deep', 'image data of 16000 squared')):
        add(tmp_path, f'file{number}', FILES[name][0])
    rng = np.random.default_rng(0)
    add(tmp_path, 'tangle', labelme(square(points=(rng.random((90_000, 2)) * 40).tolist())))
    result = subprocess.run(
        [sys.executable, '-c', LIMITED, 'tools/data/labelme.py', str(tmp_path / 'src'),
         str(tmp_path / 'out'), '--quiet'], cwd=ROOT, capture_output=True, text=True, timeout=30,
        env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'images 7 in' in result.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20
