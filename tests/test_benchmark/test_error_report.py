"""The error report: figures of predictions with known errors, and the page from end to end."""
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import make_tiny_coco
from tool_runs import load_tool

from medseg.benchmark.error_report import predictions, worst
from medseg.benchmark.error_report.collect import Settings, brightness, collect
from medseg.benchmark.error_report.groups import tercile_names
from medseg.benchmark.error_report.speed import read_speed
from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.confusion import Confusion
from medseg.metrics.instance_matches import read_truth

TOOL = load_tool('tools/analysis_tools/report.py')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Six images of three patients, with three objects each, classes 1 to 4 in turn."""
    root = make_tiny_coco(tmp_path_factory.mktemp('errors') / 'data', num_images=6, size=96)
    path = root / 'annotations/instances_test.json'
    content = json.loads(path.read_text())
    for image in content['images']:
        image['patient'] = f'p{(image["id"] - 1) // 2}'
    path.write_text(json.dumps(content))
    return root


@pytest.fixture
def ann(data):
    return data / 'annotations/instances_test.json'


@pytest.fixture
def truth(ann):
    return read_truth(ann, need_masks=True)


def records(truth, score=0.9):
    """The truth as predictions."""
    found = []
    for ann in truth.anns.values():
        rle = dict(truth.annToRLE(ann))
        rle['counts'] = rle['counts'].decode()
        found.append(dict(image_id=ann['image_id'], category_id=ann['category_id'],
                          bbox=[float(v) for v in ann['bbox']], score=score, segmentation=rle))
    return found


def with_errors(truth):
    """Image 1: an object missed; image 2: one called another class, and one false detection."""
    found = records(truth)
    del found[0]
    found[2]['category_id'] = found[2]['category_id'] % 4 + 1
    corner = np.zeros((96, 96), np.uint8, order='F')
    corner[90:, 90:] = 1
    rle = mask_utils.encode(corner)
    found.append(dict(found[2], score=0.3, bbox=[90.0, 90.0, 6.0, 6.0],
                      segmentation=dict(rle, counts=rle['counts'].decode())))
    return found


def write(folder, found, name='run'):
    for kind in ('segm', 'bbox'):
        (folder / f'{name}.{kind}.json').write_text(json.dumps(
            [{k: v for k, v in r.items() if kind == 'segm' or k != 'segmentation'}
             for r in found]))
    return folder / name


@pytest.fixture
def document(truth, data, tmp_path):
    prefix = write(tmp_path, with_errors(truth))
    return collect(predictions.find(prefix), truth, brightness(truth, data / 'images'),
                   Settings(score_thr=0.25, resamples=10, number=4)).document


def test_known_errors(document):
    assert (document['images'], document['objects'], document['units']) == (6, 18, 3)
    for kind in ('segm', 'bbox'):
        gains = document['causes'][kind]['gains']
        assert {c: g['count'] for c, g in gains.items() if g.get('count')} == {
            'classification': 1, 'background': 1, 'missed': 1}
        assert gains['localisation']['value'] == pytest.approx(0)
        assert document['causes'][kind]['all_mended'] == pytest.approx(1)
    matrix = np.array(document['confusion']['matrix'])
    assert matrix[:4, :4].trace() == 16 and matrix.sum() == 19
    assert matrix[:4, 4].sum() == 1 and matrix[4, :4].sum() == 1  # missed; made up
    assert matrix[:4, :4].sum() - 16 == 1  # another class
    groups = {(g['kind'], g['name']): g for g in document['groups']}
    assert groups['all', 'all']['recall']['value'] == pytest.approx(16 / 18)
    assert groups['all', 'all']['dice']['value'] == pytest.approx(16 / 18)
    assert groups['patient', 'p0']['recall']['value'] == pytest.approx(4 / 6)
    assert groups['patient', 'p0']['recall']['interval'] is None
    assert groups['patient', 'p2']['map']['value'] == pytest.approx(1)
    assert sum(g['objects'] for (kind, _), g in groups.items() if kind == 'class') == 18
    assert sum(g['objects'] for (kind, _), g in groups.items() if kind == 'border') == 18
    assert groups['all', 'all']['few'] and groups['patient', 'p1']['few']  # under 20 objects


def test_thresholds_and_scores(document):
    rows = {row['name']: row for row in document['detections']}
    assert [rows[k]['mean'] for k in ('0.001', '0.05', '0.3', 'chosen')] == [3, 3, 3, 3]
    assert (rows['0.3']['most'], rows['0.3']['precision']) == (4, pytest.approx(16 / 18))
    # 17 at 0.9, of which 16 are right; one at 0.3, wrong.
    expected = (17 * abs(16 / 17 - 0.9) + 0.3) / 18
    assert document['calibration']['all']['error']['value'] == pytest.approx(expected)
    assert document['calibration']['all']['counts'][8] == 17


def test_worst_images(document):
    first, second = document['worst']
    assert (first['image_id'], first['found'], first['missed'], first['false']) == (2, 2, 1, 2)
    assert first['causes'] == {'classification': 1, 'background': 1, 'missed': 1}
    assert first['quality'] == pytest.approx(2 / 3.5) and first['patient'] == 'p0'
    assert (second['image_id'], second['quality']) == (1, pytest.approx(2 / 2.5))
    assert document['quality'][2:] == pytest.approx([1] * 4)


def test_quality_is_that_of_confusion(truth, document, tmp_path):
    """One definition of panoptic quality, computed in two places."""
    confusion = Confusion(4, score_thr=0.25)
    for image in truth.imgs:
        confusion.add(image, [(a['category_id'] - 1, truth.annToRLE(a))
                              for a in truth.imgToAnns[image]],
                      [(r['category_id'] - 1, r['segmentation'], r['score'])
                       for r in with_errors(truth) if r['image_id'] == image])
    assert document['quality'] == pytest.approx([confusion.quality[i] for i in sorted(truth.imgs)])


def test_terciles():
    light = np.array([10.0, 20, 30, 40, 50, 60])
    names = tercile_names(light)
    assert [chosen.tolist() for _, chosen in names] == [
        [True] * 2 + [False] * 4, [False] * 2 + [True] * 2 + [False] * 2,
        [False] * 4 + [True] * 2]
    assert tercile_names(np.full(6, 7.0)) == [] and tercile_names(light[:2]) == []


def test_pictures_of_boxes_and_masks(truth, data):
    image = worst.pixels(data / 'images', truth.imgs[1])
    names = {c: truth.cats[c]['name'] for c in truth.cats}
    picture = worst.side_by_side(image, truth.imgToAnns[1], [], names)
    assert picture.shape == (400, 2 * 400 + worst.GAP, 3)
    box = worst.drawable(dict(category_id=1, bbox=[10, 20, 30, 40]))
    assert box['segmentation'] == [[10, 20, 40, 20, 40, 60, 10, 60]] and box['area'] == 1200


class Page(HTMLParser):
    """Checks that what is opened is closed, and that nothing is loaded from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.pictures, self.headings = [], [], []
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        if tag not in ('meta', 'img'):
            self.open.append(tag)
        for name, value in attrs:
            if name in ('src', 'href'):
                assert value.startswith(('data:', '#')), value
            if name == 'src':
                self.pictures.append(value.split(';')[0])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] == 'h2':
            self.headings.append(data)


def run(ann, out, *words):
    return TOOL.main(['--ann', str(ann), '--out', str(out), '--resamples', '5',
                      *map(str, words)])


@pytest.fixture
def latency(tmp_path):
    """What tools/benchmark.py writes of two models."""
    part = {'p50_ms': 12.0}
    path = tmp_path / 'report.json'
    options = {'model.test_cfg.score_thr': 0.3}
    path.write_text(json.dumps(dict(settings=dict(cfg_options=options), rows=[
        dict(name=name, title=name, config=f'configs/{name}.py', latency=dict(fp32=dict(
            total={'p50_ms': 40.5}, preprocessing=part, network=part, postprocessing=part,
            instances=99.0))) for name in ('run', 'other')])))
    return path


def test_tool(truth, ann, tmp_path, latency, capsys):
    prefix = write(tmp_path, with_errors(truth))
    assert run(ann, tmp_path / 'out', prefix, '--latency', latency, '--worst', 2) == 0
    assert capsys.readouterr().out.strip().endswith('run.html')
    found = read_json(tmp_path / 'out/run.json')
    assert found['schema'] == 'medseg-errors/1' and found['score_thr'] == found['best_f1_score']
    page = (tmp_path / 'out/run.html').read_text()
    assert 'url(' not in page and len(Page(page).headings) == 8
    assert Page(page).pictures == ['data:image/svg+xml'] * 3 + ['data:image/jpeg'] * 2
    assert 'fp32: 40.5 ms per image' in page and '99 instances per image' in page
    assert 'Timed with model.test_cfg.score_thr=0.3.' in page
    for word in ('classification', 'p1', 'Brightness', 'small group', 'The 2 worst images'):
        assert word in page


def test_two_models_side_by_side(truth, ann, tmp_path):
    """All found, against one file of boxes with the known errors: AP of the first is always 1."""
    good, path = write(tmp_path, records(truth), 'good'), tmp_path / 'boxes.json'
    path.write_text(json.dumps([{k: v for k, v in r.items() if k != 'segmentation'}
                                for r in with_errors(truth)]))
    assert run(ann, tmp_path / 'out', good, f'A & B={path}', '--score-thr', 0.25,
               '--resamples', 15) == 0
    assert read_json(tmp_path / 'out/A_B.json')['kind'] == 'bbox'
    assert read_json(tmp_path / 'out/good.json')['worst'] == []
    assert 'Errors of A &amp; B' in (tmp_path / 'out/A_B.html').read_text()
    rows = {(row['label'], row['figure']): row
            for row in read_json(tmp_path / 'out/comparison.json')['rows']}
    first, second = rows['good', 'mAP'], rows['A & B', 'mAP']
    assert first['kind'] == 'bbox'  # what both have
    assert first['value'] == pytest.approx(1) and 'difference' not in first
    assert second['difference']['value'] == pytest.approx(second['value'] - 1)
    # No draw is better than 1; those without the first patient have no error.
    assert second['difference']['interval'][0] < 0
    assert second['difference']['interval'][1] == pytest.approx(0)
    gain = rows['A & B', 'missed']
    assert gain['difference']['value'] == pytest.approx(gain['value']) and gain['value'] > 0
    page = (tmp_path / 'out/comparison.html').read_text()
    # The two images with errors, each by two models, the worse one first.
    assert Page(page).pictures == ['data:image/svg+xml'] + ['data:image/jpeg'] * 4
    assert page.index('p001_f00.png') < page.index('p000_f00.png')


def test_no_detection_at_all(ann, tmp_path):
    (tmp_path / 'none.segm.json').write_text('[]')
    assert run(ann, tmp_path / 'out', tmp_path / 'none') == 0
    found = read_json(tmp_path / 'out/none.json')
    assert found['figures']['segm']['mAP']['value'] == 0
    assert found['causes']['segm']['gains']['missed']['value'] == pytest.approx(1)
    assert found['calibration']['all']['error']['value'] is None
    assert 'The file holds no detection.' in (tmp_path / 'out/none.html').read_text()


@pytest.mark.parametrize('change, text', [
    (lambda r: r.update(image_id=77), 'prediction 0: image id 77 is not in the ground truth'),
    (lambda r: r.update(category_id=9), 'prediction 0: category id 9 is not in the ground truth'),
    (lambda r: r.update(score=3), 'prediction 0: score 3 is no number from 0 to 1'),
    (lambda r: r.update(bbox=[1, 2, 3]), 'is not x, y, width, height in pixels'),
    (lambda r: r.pop('score'), 'prediction 0: has no score'),
    (lambda r: r.update(segmentation=[[1, 2]]), 'is no RLE with size and counts'),
    (lambda r: r['segmentation'].update(size=[5, 5]), 'its mask is 5x5'),
    (lambda r: r['segmentation'].update(counts='zz'), 'prediction 0: broken run lengths'),
])
def test_broken_records_are_named(truth, ann, tmp_path, capsys, change, text):
    found = records(truth)[:2]
    change(found[0])
    prefix = write(tmp_path, found)
    assert run(ann, tmp_path / 'out', prefix) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert text in error and error.startswith(f'error: {prefix}.')


def test_wrong_use_is_one_line(truth, data, ann, tmp_path, latency, capsys):
    prefix = write(tmp_path, records(truth))

    def error(*words):
        assert run(ann, tmp_path / 'out', *words) == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert 'nor none.segm.json or .bbox.json; tools/test.py writes' in error(tmp_path / 'none')
    assert 'two predictions are called run' in error(prefix, f'{prefix}.segm.json')
    assert 'two predictions are called comparison' in error(prefix, f'comparison={prefix}')
    assert "holds no single latency of 'x'; there are: " in error(
        f'x={prefix}', '--latency', latency)
    assert 'is neither report.json' in error(prefix, '--latency', f'{ann}')
    assert 'p000_f00.png: cannot be read' in error(prefix, '--images', tmp_path)
    (tmp_path / 'odd.json').write_text('{"a": 1}')
    assert 'is no file of COCO results' in error(tmp_path / 'odd.json')


def test_latency_of_exported_files(tmp_path):
    path = tmp_path / 'latency.json'
    path.write_text(json.dumps(dict(results=dict(openvino=[dict(model='a', median_ms=7.5)]))))
    assert read_speed(path, 'a')['rows'] == [dict(
        what='openvino', total=None, preprocessing=None, postprocessing=None, network=7.5)]
    path.write_text('{"rows": [{"name": "a", "latency": null}]}')
    with pytest.raises(UserError, match='no model was timed'):
        read_speed(path, 'a')
    path.write_text('[]')
    with pytest.raises(UserError, match='is neither'):
        read_speed(path, 'a')
