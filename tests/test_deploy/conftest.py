"""Small exports that the tests share: 96 pixels, weights with which every location differs."""
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tool_runs import load_tool, write_tiny_config

SIZE = 96
RELEASE = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'
WITH_LOSSES = 'configs/lmsfa/losses/lmsfa-eq-n_gc-edge_1xb8-300e_peld.py'
EDGE = 'configs/lmsfa/lmsfa-edge-n_1xb8-300e_peld.py'
YOLACT = 'configs/yolact/yolact_r50_1xb8-300e_peld.py'


@dataclass(frozen=True)
class Trained:
    """A config, a checkpoint of random weights and an image."""

    config: Path
    checkpoint: Path
    image: Path

    @property
    def words(self) -> list[str]:
        """The arguments of tools/deploy.py behind the deploy config."""
        return [str(self.config), str(self.checkpoint), str(self.image)]


def write_inputs(folder: Path, base: str, changes: str = '') -> Trained:
    """A 96-pixel variant of a config, with further changes as text of a config, a checkpoint for it
    and a 64 x 96 image."""
    from medseg.deploy.agreement import normalise, randomise
    from medseg.engine.building import build_model
    config_file = write_tiny_config(folder)
    text = config_file.read_text().replace(RELEASE, base)
    config_file.write_text(text + (changes or '\nmodel = dict(test_cfg=dict(score_thr=0.05))\n'))
    noise = np.random.default_rng(0).integers(0, 256, (64, SIZE, 3), np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    cv2.imwrite(str(folder / 'image.png'), image)
    config = Config.fromfile(config_file)
    model = randomise(build_model(config), normalise(image, config))
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'random.pth')
    return Trained(config_file, folder / 'random.pth', folder / 'image.png')


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


def export(name: str, trained: Trained, out: Path, *words: str) -> Path:
    """Run tools/deploy.py; returns its folder."""
    assert load_tool('tools/deploy.py').main(
        [f'configs/deploy/{name}.py', *trained.words, '--work-dir', str(out), *words]) == 0
    return out


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
