"""Small exports for tests: 96 pixels, weights with which every location differs."""
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from tool_runs import load_tool, write_tiny_config

SIZE = 96
RELEASE = 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'


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


def export(name: str, trained: Trained, out: Path, *words: str) -> Path:
    """Run tools/deploy.py; returns its folder."""
    assert load_tool('tools/deploy.py').main(
        [f'configs/deploy/{name}.py', *trained.words, '--work-dir', str(out), *words]) == 0
    return out
