"""The comparison tool, with and without a peer (a stand-in here; the real one is not installed)."""
import importlib.util
import json
import subprocess
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


def with_peer(folder, precision, args):
    package = folder / 'peer' / 'ultralytics'
    for name, text in (('__init__', "__version__ = '0.0.0'"), ('utils/__init__', ''),
                       ('utils/metrics', f'PRECISION = {precision}\n{PEER_METRICS}'),
                       ('engine/__init__', ''), ('engine/validator', PEER_VALIDATOR)):
        path = package / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    code = (f'import runpy, sys; sys.path.insert(0, {str(folder / "peer")!r}); '
            f'sys.argv = {[str(TOOL), *args]!r}; runpy.run_path(sys.argv[0], run_name="__main__")')
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)


def test_without_the_peer(tool, files, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'find_spec', lambda name: None)
    assert tool.main(files) == 2
    printed = capsys.readouterr().out
    assert 'optional peer' in printed and 'environment of its own' in printed
    assert 'precision    1.000000' in printed


def test_agreement(files, tmp_path):
    done = with_peer(tmp_path, 1.0, files)
    assert done.returncode == 0, done.stderr
    assert 'ultralytics 0.0.0' in done.stdout
    assert 'AGREE: precision, recall, yolo_mAP_50' in done.stdout


def test_disagreement(files, tmp_path):
    done = with_peer(tmp_path, 0.9, files)
    assert done.returncode == 1, done.stderr
    assert 'DIFFER' in done.stdout and '+0.100000' in done.stdout


def test_wrong_file_is_named(tool, files):
    with pytest.raises(ValueError, match="pred.json: record 0 lacks .'segmentation'."):
        tool.main([*files[:2], '--iou-type', 'segm'])
