"""Exports that the tests share."""
from pathlib import Path

import pytest
from small_exports import RELEASE, Trained, export, write_inputs

WITH_LOSSES = 'configs/lmsfa/losses/lmsfa-eq-n_gc-edge_1xb8-300e_peld.py'
EDGE = 'configs/lmsfa/lmsfa-edge-n_1xb8-300e_peld.py'
YOLACT = 'configs/yolact/yolact_r50_1xb8-300e_peld.py'


@pytest.fixture(scope='session')
def release(tmp_path_factory) -> Trained:
    """LMSF-A-n, release wiring."""
    return write_inputs(tmp_path_factory.mktemp('release'), RELEASE)


@pytest.fixture(scope='session')
def equation(tmp_path_factory) -> Trained:
    """LMSF-A-n, equation wiring, with both training-only losses."""
    return write_inputs(tmp_path_factory.mktemp('equation'), WITH_LOSSES)


@pytest.fixture(scope='session')
def yolact(tmp_path_factory) -> Trained:
    """mmdet's YOLACT, which has a training-only branch of its own."""
    return write_inputs(tmp_path_factory.mktemp('yolact'), YOLACT)


@pytest.fixture(scope='session')
def end2end(release, tmp_path_factory) -> Path:
    """Dynamic end-to-end export, ONNX and OpenVINO."""
    return export('instance-seg_openvino_dynamic', release, tmp_path_factory.mktemp('end2end'),
                  '--dump-info')


@pytest.fixture(scope='session')
def raw(release, tmp_path_factory) -> Path:
    """Dynamic raw export, ONNX and OpenVINO."""
    return export('instance-seg-raw_openvino_dynamic', release, tmp_path_factory.mktemp('raw'))


@pytest.fixture(scope='session')
def edge(tmp_path_factory) -> Trained:
    """LMSF-A edge, which is made for INT8."""
    return write_inputs(tmp_path_factory.mktemp('edge'), EDGE)


@pytest.fixture(scope='session')
def edge_static(edge, tmp_path_factory) -> Path:
    """FP32 raw export of 96 x 96 pixels, ONNX and OpenVINO."""
    return export('instance-seg-raw_openvino_static-640x640', edge,
                  tmp_path_factory.mktemp('edge_static'),
                  '--deploy-options', 'onnx_config.input_shape=96,96')
