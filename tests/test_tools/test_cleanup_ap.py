"""Clean-up's effect on AP: of predictions whose AP a person can work out."""
import json
import re

import cv2
import numpy as np
import pytest
from runtime_models import METADATA, constant_model, raw_outputs
from tool_runs import load_tool

from medseg.runtime.records import encode_mask


@pytest.fixture
def scene(tmp_path):
    """Two images of 64 pixels with a bone and, in the same place, a nerve, as the model finds
    them: the left and the upper part of the box (8, 8) to (40, 40)."""
    images, annotations = [], []
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((64, 64, 3), 90, np.uint8))
        images.append(dict(id=number, file_name=f'{number}.png', width=64, height=64))
        for category, (x2, y2) in {5: (32, 40), 9: (40, 32)}.items():
            mask = np.zeros((64, 64), bool)
            mask[8:y2, 8:x2] = True
            annotations.append(dict(
                id=len(annotations) + 1, image_id=number, category_id=category, iscrowd=0,
                area=int(mask.sum()), bbox=[8, 8, x2 - 8, y2 - 8],
                segmentation=encode_mask(mask)))
    (tmp_path / 'truth.json').write_text(json.dumps(dict(
        images=images, annotations=annotations,
        categories=[dict(id=5, name='bone'), dict(id=9, name='nerve')])))
    return tmp_path


def test_each_option_and_all(scene, capsys):
    """Alone the masks are perfect. Beyond their boxes they are too large; 'twice' at 0.8 leaves
    masks that share less alone."""
    metadata = dict(METADATA, kind='raw', classes=['bone', 'nerve'], colors=[[9] * 3] * 2,
                    score_thr=0.3)
    outputs = raw_outputs()
    outputs['scores'] = outputs['scores'][..., [1, 3]]
    model = constant_model(scene / 'm.onnx', outputs, metadata)
    page = scene / 'page.md'
    page.write_text('<!-- table: cleanup-ap -->\n<!-- end of table -->\n')
    tool = load_tool('tools/analysis_tools/cleanup_ap.py')
    assert tool.main([str(model), str(scene / 'truth.json'), str(scene),
                      '--docs', str(page)]) == 0
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in re.findall(
        r'^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([+-][\d.]+) \|$', page.read_text(), re.M)}
    assert list(rows) == ['nothing', 'islands = 0.0005', 'holes = 0.0005', 'beyond_box = 0.1',
                          'twice = 0.8', 'all']
    for name in ('nothing', 'islands = 0.0005', 'holes = 0.0005', 'twice = 0.8'):
        assert rows[name] == [100, 100, 0], name
    # 3.2 pixels more on three sides: 24 of 32 columns by 27 or so of 40 rows are right.
    for name in ('beyond_box = 0.1', 'all'):
        assert rows[name][0] < 90 and rows[name][2] == pytest.approx(rows[name][0] - 100, abs=0.01)


def test_wrong_input(scene, capsys):
    tool = load_tool('tools/analysis_tools/cleanup_ap.py')
    assert tool.main([str(scene / 'none.onnx'), str(scene / 'truth.json'), str(scene)]) == 2
    assert 'none.onnx: no such file' in capsys.readouterr().err
