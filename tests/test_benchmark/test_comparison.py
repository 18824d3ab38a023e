"""tools/analysis_tools/compare_predictions.py: figures, paired differences, wrong input."""
import copy
import json

import numpy as np
import pytest
from tool_runs import load_tool, run_tool

from medseg.benchmark.paired_comparison import Predictions, compare, kind_table, table
from medseg.benchmark.significance import exchanged, side_by_side, significance
from medseg.metrics.instance_matches import load_matches

TOOL = 'tools/analysis_tools/compare_predictions.py'


def perfect(content):
    """Records that are the ground truth, confidently."""
    from tiny_coco import as_coco
    coco = as_coco(copy.deepcopy(content))
    records = []
    for ann in content['annotations']:
        rle = coco.annToRLE(ann)
        rle['counts'] = rle['counts'].decode()
        records.append(dict(image_id=ann['image_id'], category_id=ann['category_id'],
                            segmentation=rle, bbox=ann['bbox'], score=0.9))
    return records


@pytest.fixture
def files(predicted, tmp_path):
    """An annotation file and two models' predictions."""
    content, records = predicted
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    for name, found in (('shifted', records), ('perfect', perfect(content))):
        for kind in ('bbox', 'segm'):
            (tmp_path / f'{name}.{kind}.json').write_text(json.dumps(found))
    return tmp_path


def test_paired_differences(files):
    models = [Predictions(name, files / 'truth.json', files / prefix) for name, prefix in (
        ('base', 'shifted'), ('same', 'shifted'), ('better', 'perfect'))]
    found = compare(models, reference='base', resamples=100)
    base, same, better = found['rows']
    assert found['unit'] == 'image'
    assert all(value == pytest.approx(1) for value in better['figures'].values())
    for heading, value in same['differences'].items():
        assert value == 0 and same['difference_intervals'][heading] == (0, 0)
        # Of the difference from a perfect model nothing but the base varies.
        low, high = base['intervals'][heading]
        assert better['differences'][heading] == pytest.approx(1 - base['figures'][heading])
        assert better['difference_intervals'][heading] == pytest.approx((1 - high, 1 - low))
    text = table(found)
    assert '| better |  | 100.0 (100.0 to 100.0) |' in text
    assert '| same | +0.0 (+0.0 to +0.0) |' in text and '| base | +' not in text


def test_tool(files, tmp_path):
    document = tmp_path / 'doc.md'
    document.write_text('before\n<!-- table: x -->\n<!-- end of table -->\nbehind\n')
    run_tool(TOOL, '--ann', files / 'truth.json', '--run', f'a={files / "shifted"}', '--run',
             f'b={files / "perfect"}', '--reference', 'b', '--resamples', '20', '--title',
             'b=Best one', '--docs', document, '--table', 'x', '--json', tmp_path / 'c.json')
    text = document.read_text()
    assert text.startswith('before\n') and text.endswith('behind\n')
    assert '| less Best one | box mAP |' in text and '(20 draws' in text
    assert json.loads((tmp_path / 'c.json').read_text())['reference'] == 'b'


def test_wrong_input(error_of, files, tmp_path):
    def error(*words):
        return error_of(TOOL, *words)

    truth, run = files / 'truth.json', f'a={files / "shifted"}'
    assert "no model 'c' to compare with; there are: a" in error(
        '--ann', truth, '--run', run, '--reference', 'c')
    assert 'none.bbox.json: no such file' in error('--ann', truth, '--run', f'a={files / "none"}')
    assert '--run nameless: must be of the form' in error('--ann', truth, '--run', 'nameless')
    (tmp_path / 'r.json').write_text('{}')
    assert 'is not a results.json' in error('--results', tmp_path / 'r.json')
    assert 'missing.json: cannot be read' in error('--results', tmp_path / 'missing.json')


def test_exchanging_models_patient_by_patient(files):
    truth = files / 'truth.json'
    a, b = (load_matches(truth, files / f'{name}.segm.json', 'segm')
            for name in ('shifted', 'perfect'))
    pair, count = side_by_side(a, b), len(a.groups)
    own, other = a.figures()['mAP'], b.figures()['mAP']
    nobody, everybody = np.zeros(count, bool), np.ones(count, bool)
    assert exchanged([pair], 'mAP', nobody) == pytest.approx(other - own)
    assert exchanged([pair], 'mAP', everybody) == pytest.approx(own - other)
    # one image's predictions change places: what a file with that image's other records scores
    one = nobody.copy()
    one[2] = True
    image = json.loads(truth.read_text())['images'][2]['id']
    mixed = []
    for keep, change in (('shifted', 'perfect'), ('perfect', 'shifted')):
        records = [r for name, mine in ((keep, False), (change, True))
                   for r in json.loads((files / f'{name}.segm.json').read_text())
                   if (r['image_id'] == image) == mine]
        (files / 'mixed.segm.json').write_text(json.dumps(records))
        mixed.append(load_matches(truth, files / 'mixed.segm.json', 'segm').figures()['mAP'])
    assert exchanged([pair], 'mAP', one) == pytest.approx(mixed[1] - mixed[0])

    models = [Predictions(name, truth, files / prefix, model=family) for name, prefix, family in (
        ('base 0', 'shifted', 'base'), ('base 1', 'shifted', 'base'),
        ('same 0', 'shifted', 'same'), ('same 1', 'shifted', 'same'),
        ('better 0', 'perfect', 'better'), ('better 1', 'perfect', 'better'))]
    found = significance(models, 'base', ['mask mAP', 'NSD'], resamples=10)
    assert found['groups'] == 6 and found['exact']
    rows = {(row['label'], row['figure']): row for row in found['rows']}
    better, same = rows['better', 'mask mAP'], rows['same', 'mask mAP']
    assert better['difference'] == pytest.approx(other - own) and better['seeds'] == 2
    assert better['p'] == pytest.approx(2 / 64)  # better in each image, and two-sided
    assert better['p_holm'] == pytest.approx(4 * 2 / 64)  # two models, two figures
    assert (same['difference'], same['p'], same['p_holm']) == (0, 1, 1)


def test_tool_tests(files, tmp_path, capsys):
    tool = load_tool(TOOL)
    words = ['--ann', str(files / 'truth.json'), '--run', f'a={files / "shifted"}', '--run',
             f'b={files / "perfect"}', '--reference', 'a', '--resamples', '5', '--test',
             '--title', 'b=Best', '--json', str(tmp_path / 'c.json')]
    assert tool.main(words) == 0
    out = capsys.readouterr().out
    assert '| Best | mask mAP | 1 | +' in out and '| 0.0312 | 0.0312 |' in out
    assert 'all 64 exchanges' in out and '6 images, so p is at least 0.0312' in out
    assert json.loads((tmp_path / 'c.json').read_text())['test']['rows'][0]['label'] == 'b'
    # a model of two seeds against one of one, of two and of three
    again = [*words, '--run', f'b={files / "shifted"}']
    assert tool.main(again) == 0
    assert '| Best | mask mAP | 2 | +' in capsys.readouterr().out
    again += ['--run', f'a={files / "shifted"}']
    assert tool.main(again) == 0
    assert '| Best | mask mAP | 2 | +' in capsys.readouterr().out
    assert tool.main([*again, '--run', f'b={files / "shifted"}']) == 2
    assert 'b has 3 seeds, a 2' in capsys.readouterr().err


def test_by_type_of_image(files):
    models = [Predictions('a', files / 'truth.json', files / 'shifted')]
    kinds = ['dark', 'dark', 'dark', 'dark', 'bright', 'bright']
    found = compare(models, resamples=2, kinds=kinds)
    assert found['kinds'] == {'bright': 2, 'dark': 4}
    row = found['rows'][0]
    # a file with these images alone
    content = json.loads((files / 'truth.json').read_text())
    ids = [image['id'] for image in content['images']][:4]
    for key, name in (('images', 'id'), ('annotations', 'image_id')):
        content[key] = [item for item in content[key] if item[name] in ids]
    (files / 'dark.json').write_text(json.dumps(content))
    for kind in ('bbox', 'segm'):
        records = json.loads((files / f'shifted.{kind}.json').read_text())
        (files / f'dark.{kind}.json').write_text(
            json.dumps([r for r in records if r['image_id'] in ids]))
    alone = compare([Predictions('a', files / 'dark.json', files / 'dark')], resamples=2)
    for heading in ('box mAP', 'mask mAP', 'boundary mAP'):
        assert row['by_kind']['dark'][heading] == pytest.approx(
            alone['rows'][0]['figures'][heading])
    assert '| dark | 4 | a | ' in kind_table(found)
