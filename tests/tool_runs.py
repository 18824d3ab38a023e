"""Run the project's tools on a tiny training: LMSF-A-n on four 96-pixel images."""
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tiny_coco import make_tiny_coco

ROOT = Path(__file__).resolve().parents[1]

TINY_CONFIG = '''
_base_ = '{root}/configs/lmsfa/lmsfa-n_1xb8-300e_peld.py'
data_root = '{data}/'
img_scale = (96, 96)
max_epochs = {max_epochs}

_base_.load_pipeline[3].scale = img_scale
_base_.train_pipeline[0].img_scale = img_scale
_base_.train_pipeline[1].img_scale = img_scale
_base_.test_pipeline[1].scale = img_scale
train_dataloader = dict(
    batch_size=2, num_workers=0,
    dataset=dict(pipeline=_base_.train_pipeline,
                 dataset=dict(data_root=data_root, pipeline=_base_.load_pipeline)))
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_test.json')
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs, dynamic_intervals=None)
param_scheduler = [dict(type='LinearLR', start_factor=1.0, end_factor=0.1, begin=0,
                        end=max_epochs, by_epoch=True, convert_to_iter_based=True)]
# The mosaic is open until the last epoch.
custom_hooks = _base_.custom_hooks
custom_hooks[2].num_last_epochs = 1
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=10))
'''


def run_tool(*words, check: int | None = 0, timeout: int = 240, **kwargs):
    """Run one of the project's tools; asserts its exit code unless ``check`` is None.

    One thread, so that sums have one order, and so that tests do not fight for the cores.
    """
    env = dict(kwargs.pop('env', os.environ), OMP_NUM_THREADS='1')
    result = subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, capture_output=True,
                            text=True, timeout=timeout, stdin=subprocess.DEVNULL, env=env,
                            **kwargs)
    if check is not None:
        assert result.returncode == check, result.stdout[-3000:] + result.stderr[-3000:]
    return result


def load_tool(path: str):
    """Import a tool by its path, for tests that need no process of its own."""
    spec = importlib.util.spec_from_file_location(f'tool_{Path(path).stem}', ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_in_process(path: str, *words) -> int:
    """A tool's exit code, its own calls of ``medseg.cli.run_tool`` kept in this process too.

    Importing PyTorch for each of them would take most of the time.
    """
    tool = load_tool(path)

    def inner(path, *words):
        assert run_in_process(path, *words) == 0

    if hasattr(tool, 'run_tool'):
        tool.run_tool = inner
    return tool.main([str(word) for word in words])


def write_tiny_config(folder: Path, max_epochs: int = 4) -> Path:
    """Make the images and the config in ``folder``; returns the config's path."""
    make_tiny_coco(folder / 'data', num_images=4, size=96)
    path = folder / 'tiny.py'
    path.write_text(TINY_CONFIG.format(root=ROOT, data=folder / 'data', max_epochs=max_epochs))
    return path
