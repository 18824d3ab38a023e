"""The comparison tool, with and without a peer (a stand-in here; the real one is not installed)."""
import importlib.util
import json
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'peers' / 'compare_ap_per_class.py'

PEER_METRICS = '''
import numpy as np
def ap_per_class(tp, conf, pred_cls, target_cls):
    """Two targets of one class: the ramp probe, or else the scene, where all is found (the
    trapezoids lose half of the last step)."""
    ones, curve = np.ones(1), np.ones((1, 1000))
    ap = np.full((1, tp.shape[1]), 0.5 if len(tp) == 1 else 0.995)
    return (ones, ones, ones * PRECISION, ones, ones, ap, ones, curve, curve, curve,
            np.linspace(0, 1, 1000), curve)
'''
PEER_VALIDATOR = '''
class BaseValidator:
    def match_predictions(self, pred_classes, true_classes, iou):
        assert iou.shape == (len(true_classes), len(pred_classes))
        return (iou.amax(0)[:, None] >= self.iouv)
'''


@pytest.fixture
def files(scene):
    """Two bones, both found perfectly; two classes without any instance."""
    image = scene.image()
    records = []
    for x, score in ((10, 0.9), (50, 0.8)):
        scene.truth(image, 1, x, 10, 20, 20)
        records.append(dict(image_id=image, category_id=2, score=score, bbox=[x, 10, 20, 20]))
    pred = scene.folder / 'pred.json'
    pred.write_text(json.dumps(records))
    return [str(pred), scene.ann_file(), '--iou-type', 'bbox']


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('compare_ap_per_class', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def with_peer(tool, files, tmp_path, monkeypatch, capsys):
    """Factory: exit code and output beside a peer whose precision is given."""
    def run(precision):
        package = tmp_path / 'peer' / 'ultralytics'
        for name, text in (('__init__', "__version__ = '0.0.0'"), ('utils/__init__', ''),
                           ('utils/metrics', f'PRECISION = {precision}\n{PEER_METRICS}'),
                           ('engine/__init__', ''), ('engine/validator', PEER_VALIDATOR)):
            path = package / f'{name}.py'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(tmp_path / 'peer')
        return tool.main(files), capsys.readouterr().out

    yield run
    for name in [name for name in sys.modules if name.split('.')[0] == 'ultralytics']:
        del sys.modules[name]


def test_without_the_peer(tool, files, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'find_spec', lambda name: None)
    assert tool.main(files) == 2
    printed = capsys.readouterr().out
    assert 'optional peer' in printed and 'environment of its own' in printed
    assert 'precision    1.000000' in printed


def test_agreement(with_peer):
    code, printed = with_peer(1.0)
    assert code == 0 and 'ultralytics 0.0.0' in printed
    assert 'AGREE: precision, recall, yolo_mAP_50' in printed


def test_disagreement(with_peer):
    code, printed = with_peer(0.9)
    assert code == 1 and 'DIFFER' in printed and '+0.100000' in printed


def test_wrong_file_is_named(tool, files):
    with pytest.raises(ValueError, match="pred.json: record 0 lacks .'segmentation'."):
        tool.main([*files[:2], '--iou-type', 'segm'])
