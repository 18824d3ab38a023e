"""tools/analysis_tools/compare_areas.py: semantic areas and unions of instances in one table."""
import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils
from tiny_coco import make_tiny_coco
from tool_runs import load_tool

from medseg.data.coco_file import annotation_mask
from medseg.metrics.rle import encode_masks

TOOL = 'tools/analysis_tools/compare_areas.py'


@pytest.fixture
def files(tmp_path):
    """A set of four images; perfect areas, and instances with a false one of score 0.3."""
    root = make_tiny_coco(tmp_path / 'data', num_images=4)
    ann = root / 'annotations' / 'instances_test.json'
    content = json.loads(ann.read_text())
    areas = []
    for item in content['annotations']:
        mask = annotation_mask(item, 128, 128)
        areas.append(dict(image_id=item['image_id'], category_id=item['category_id'], score=0.9,
                          segmentation=encode_masks(mask[None])[0]))
    false = annotation_mask(dict(segmentation=[[0, 0, 128, 0, 128, 128, 0, 128]]), 128, 128)
    extra = [dict(area, score=0.3, segmentation=encode_masks(false[None])[0])
             for area in areas[:2]]
    assert mask_utils.area(extra[0]['segmentation']) == 128 * 128
    (tmp_path / 'areas.semantic.json').write_text(json.dumps(areas))
    for name in ('test', 'val'):
        (tmp_path / f'{name}.segm.json').write_text(json.dumps(areas + extra))
    return tmp_path, ann


def test_one_table(files, capsys):
    folder, ann = files
    assert load_tool(TOOL).main([
        '--ann', str(ann), '--val-ann', str(ann), '--run', f'areas={folder}/areas', '--run',
        f'instances={folder}/test', '--val', f'instances={folder}/val', '--reference', 'areas',
        '--resamples', '20', '--json', str(folder / 'out.json')]) == 0
    comparison = json.loads((folder / 'out.json').read_text())
    first, second = comparison['rows']
    assert first['figures'] == {'dice': 1, 'iou': 1, 'hd95': 0, 'nsd': 1}
    # The lowest threshold that leaves the false instances out.
    assert first['score_thr'] == 0 and second['score_thr'] == 0.35
    assert second['differences']['dice'] == 0
    text = capsys.readouterr().out
    assert '| areas |  | 100.0 (100.0 to 100.0) |' in text
    assert '| instances | 0.35 | 100.0' in text and '| less areas | Dice |' in text


def test_exchanging_models_patient_by_patient(files, capsys):
    folder, ann = files
    areas = json.loads((folder / 'areas.semantic.json').read_text())
    half = [dict(a, segmentation=encode_masks(np.concatenate(
        [m[:1, :64], np.zeros((1, 64, 128), bool)], 1))[0])
        for a in areas for m in [mask_utils.decode(a['segmentation'])[None].astype(bool)]]
    (folder / 'half.semantic.json').write_text(json.dumps(half))
    words = ['--ann', str(ann), '--run', f'areas={folder}/areas', '--run', f'half={folder}/half',
             '--reference', 'areas', '--resamples', '2', '--json', str(folder / 'out.json')]
    assert load_tool(TOOL).main([*words, '--test', 'dice', 'iou']) == 0
    out = json.loads((folder / 'out.json').read_text())
    # worse in each of four images: 2 of 16 exchanges, two tests
    assert out['groups'] == 4 and out['rows'][1]['differences']['dice'] < -0.2
    assert out['rows'][1]['p'] == {'dice': 0.125, 'iou': 0.125}
    assert out['rows'][1]['p_holm'] == {'dice': 0.25, 'iou': 0.25}
    assert '| half | Dice | 0.1250 | 0.2500 | 4 |' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        load_tool(TOOL).main([*words[:6], '--test'])  # without --reference


def test_wrong_input(files, error_of):
    folder, ann = files
    assert 'give the predictions of the validation images' in error_of(
        TOOL, '--ann', ann, '--run', f'instances={folder}/test')
    assert 'none.semantic.json: no such file, nor .segm.json' in error_of(
        TOOL, '--ann', ann, '--run', f'a={folder}/none')
    assert "no model 'b' to compare with" in error_of(
        TOOL, '--ann', ann, '--run', f'a={folder}/areas', '--reference', 'b')
    assert 'must be of the form LABEL=PREFIX' in error_of(TOOL, '--ann', ann, '--run', 'a')
    assert '--val b=x: no --run has this label' in error_of(
        TOOL, '--ann', ann, '--run', f'a={folder}/areas', '--val', 'b=x')
