"""What a training step keeps, counted without computing it."""
import pytest
from mmengine.config import Config
from tool_runs import load_tool

from medseg.benchmark.kept_activations import kept_memory
from medseg.errors import UserError

HRMEDSEG = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'
SOFTMAX = 'configs/hrmedseg/hrmedseg_lgvit-96-softmax_1xb4-30e_dsb2018.py'


@pytest.mark.parametrize('path', [HRMEDSEG, 'configs/monai/monai-unet_1xb4-30e_dsb2018.py'])
def test_counting_equals_doing(path):
    config = Config.fromfile(path)
    counted, done = (kept_memory(config, 64, 2, fake) for fake in (True, False))
    assert counted == done


def test_the_papers_memory():
    """1024 x 1024 in float32: 0.59 GB an image, with weights, gradients and Adam's moments."""
    found = kept_memory(Config.fromfile(HRMEDSEG), 1024, 1)
    assert found.weights == 3_240_272 * 4 * 4
    assert 0.5e9 < found.per_image <= 0.59e9
    assert kept_memory(Config.fromfile(HRMEDSEG), 1024, 4).per_image <= 0.59e9


def test_linear_against_softmax():
    """Twice the side is four times the tokens: 4 times the memory, with softmax nearly 16 times."""
    growth = []
    for path in (HRMEDSEG, SOFTMAX):
        small, large = (kept_memory(Config.fromfile(path), size, 1).activations
                        for size in (512, 1024))
        growth.append(large / small)
    assert growth[0] == pytest.approx(4, rel=0.02)
    assert 14 < growth[1] < 16


def test_tool(capsys):
    assert load_tool('tools/analysis_tools/kept_activations.py').main(
        [HRMEDSEG, SOFTMAX, '--size', '1024', '--batch', '1']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '| config | batch 1, GB per image | ratio |'
    assert '| 0.543 | 1.00 |' in lines[2] and float(lines[3].split('|')[3]) > 15


def test_instance_models_are_refused():
    with pytest.raises(UserError, match='is no semantic model'):
        kept_memory(Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-adamw-30e_dsb2018.py'), 64, 1)
