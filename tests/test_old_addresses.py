"""What users of release 0.1 have keeps working: paths of tools, modules, checkpoints, exports."""
import importlib
import json
import re
from pathlib import Path

import numpy as np
import openvino
import pytest
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from runtime_models import METADATA, constant_model, raw_outputs
from tool_runs import ROOT, run_tool

from medseg.metrics import InstanceMetric
from medseg.runtime import Segmenter

STUBS = sorted(path for path in (ROOT / 'tools').rglob('*.py')
               if path.read_text(encoding='utf-8').startswith('"""Address of release 0.1'))
#: Tools of release 0.1 that have moved.
MOVED = [
    *(f'dataset_converters/{name}' for name in ('labelme', 'supervisely', 'yolo_seg')),
    *(f'dataset_tools/{name}' for name in ('browse', 'check', 'make_synpeld', 'split', 'stats')),
    *(f'model_converters/{name}' for name in ('fuse', 'ultralytics')),
    *(f'analysis_tools/{name}' for name in (
        'compare_ap_per_class', 'compare_train_speed', 'compare_ultralytics_outputs',
        'deploy_matrix', 'list_models', 'paper_parameters', 'write_tables')),
    *(f'analysis_tools/peers/{name}' for name in (
        'export_ultralytics_onnx', 'export_ultralytics_reference', 'own_training',
        'ultralytics_training'))]


def test_every_moved_tool_has_a_stub():
    found = {path.relative_to(ROOT / 'tools').with_suffix('').as_posix() for path in STUBS}
    assert found == set(MOVED)


@pytest.mark.parametrize('stub', STUBS, ids=lambda path: path.stem)
def test_stubs_name_a_tool_that_is_there(stub):
    text = stub.read_text(encoding='utf-8')
    told = re.search(r'it is (\S+), which', text)[1]
    run = Path(re.search(r"'(\S+\.py)'", text)[1])
    assert (ROOT / told).is_file() and told == f'tools/{run}'
    up = int(re.search(r'parents\[(\d)\]', text)[1])
    assert stub.resolve().parents[up] == ROOT / 'tools'


def test_a_stub_runs_its_tool(tmp_path):
    result = run_tool('tools/dataset_tools/stats.py', tmp_path / 'none', check=2)
    assert 'none: no such file' in result.stderr
    assert 'usage: ' in run_tool('tools/analysis_tools/write_tables.py', '--help').stdout


@pytest.mark.parametrize('old, name, new', [
    ('projects.lmsfa.runtime', 'Segmenter', 'medseg.runtime'),
    ('projects.lmsfa.runtime', 'ModelError', 'medseg.runtime'),
    ('projects.lmsfa.evaluation', 'PELDMetric', 'medseg.metrics'),
    ('projects.lmsfa.datasets.transforms', 'PolygonRandomAffine', 'medseg.data.transforms'),
    ('projects.lmsfa.engine', 'CloseMosaicHook', 'medseg.engine')])
def test_old_modules_give_the_same_objects(old, name, new):
    assert getattr(importlib.import_module(old), name) is getattr(
        importlib.import_module(new), name)


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_exports_with_the_old_metadata_key(tmp_path, backend):
    path = constant_model(tmp_path / 'old.onnx', raw_outputs(), dict(METADATA, kind='raw'),
                          key='lmsfa')
    found = Segmenter(path, backend=backend)(np.full((64, 64, 3), 9, np.uint8))
    assert [METADATA['classes'][label] for label in found.labels] == ['bone', 'nerve']


def test_openvino_models_with_the_old_metadata_key(tmp_path):
    path = constant_model(tmp_path / 'old.onnx', raw_outputs(), dict(METADATA, kind='raw'))
    model = openvino.convert_model(str(path))
    model.set_rt_info(json.dumps(dict(METADATA, kind='raw')), ['lmsfa'])
    openvino.save_model(model, tmp_path / 'old.xml', compress_to_fp16=False)
    assert Segmenter(tmp_path / 'old.xml').class_names == METADATA['classes']


def test_old_custom_imports(tmp_path):
    """A config of release 0.1 with its own imports still builds its parts."""
    imports = ['projects.lmsfa', 'projects.lmsfa.models', 'projects.lmsfa.datasets.peld',
               'projects.lmsfa.datasets.transforms', 'projects.lmsfa.engine',
               'projects.lmsfa.evaluation']
    path = tmp_path / 'old.py'
    path.write_text(f"_base_ = ['{ROOT}/configs/lmsfa/lmsfa-n_1xb8-300e_peld.py']\n"
                    f'custom_imports = dict(imports={imports}, allow_failed_imports=False)\n')
    config = Config.fromfile(path)
    assert type(MODELS.build(config.model.mask_head)).__name__ == 'LMSHead'


def test_the_old_name_of_the_metric():
    metric = METRICS.build(dict(type='PELDMetric', metric='bbox'))
    assert type(metric) is InstanceMetric and InstanceMetric is METRICS.get('InstanceMetric')


def test_old_names_of_data_sets():
    import projects.lmsfa.datasets.peld as old
    for name in ('PELDDataset', 'NucleiDataset', 'TeethDataset'):
        assert DATASETS.get(name) is getattr(old, name)
