"""tools/analysis_tools/compare_predictions.py: figures, paired differences, wrong input."""
import copy
import json

import pytest
from tool_runs import run_tool

from medseg.benchmark.paired_comparison import Predictions, compare, table

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
