"""Checkpoints that must not be used, by every way in: refused with a sentence, and nothing runs."""
import os
import re

import pytest
import torch
from hostile_checkpoints import Call, saved
from tool_runs import run_tool

from medseg.benchmark.worker import answer
from medseg.engine.checkpoint import read_checkpoint, save_checkpoint

DEPLOY = 'configs/deploy/instance-seg_onnxruntime_dynamic.py'
ULTRALYTICS = 'tools/models/ultralytics.py'
#: Words of each command; FILE is the checkpoint, OUT an empty folder, IMAGE an image.
WAYS = {
    'train --resume': 'tools/train.py CONFIG --work-dir OUT --resume FILE',
    'train load_from': 'tools/train.py CONFIG --work-dir OUT --cfg-options load_from=FILE',
    'test': 'tools/test.py CONFIG FILE --work-dir OUT',
    'infer': 'tools/infer.py CONFIG FILE IMAGE --out OUT',
    'fuse': 'tools/models/fuse.py CONFIG FILE OUT/fused.pth',
    'deploy': f'tools/deploy.py {DEPLOY} CONFIG FILE IMAGE --work-dir OUT',
    'ultralytics': f'{ULTRALYTICS} FILE OUT/ours.pth',
    'latency': ''}
KINDS = {'code': r'refused, because the file carries code .*mkdir', 'NaN': 'hold NaN or infinity',
         'text': 'is not a PyTorch checkpoint; it is text', 'cut': 'is cut short',
         'part': '20 of the [0-9]+ tensors of the model are in it',
         'foreign': 'does not fit the config at all',
         'other classes': 'mask_head.cls_.*here .4, .*another number of classes'}
#: Ultralytics' own files have other names, and its tool says so in its own words.
OTHER_WORDS = {'part': 'is no YOLOv8-seg', 'foreign': 'is no YOLOv8-seg',
               'other classes': 'is no YOLOv8-seg'}


@pytest.fixture(scope='module')
def checkpoint(trained, tmp_path_factory):
    """Factory: a checkpoint of that kind, and the folder that its code would make."""
    folder = tmp_path_factory.mktemp('hostile')
    trap = folder / 'trap'

    def make(kind: str):
        path = folder / f'{kind.replace(" ", "_")}.pth'
        content = read_checkpoint(trained / 'epoch_4.pth')
        state = content['state_dict']
        if kind == 'code':
            path.write_bytes(saved({**content, 'extra': Call(os.mkdir, str(trap))}))
        elif kind == 'text':
            path.write_text('weights, soon')
        elif kind == 'cut':
            path.write_bytes((trained / 'epoch_4.pth').read_bytes()[:50_000])
        else:
            if kind == 'NaN':
                next(value for value in state.values() if value.ndim == 4)[0] = torch.nan
            elif kind == 'foreign':
                content['state_dict'] = {f'their.{key}': value for key, value in state.items()}
            elif kind == 'part':
                content['state_dict'] = dict(list(state.items())[:20])
            else:
                for key in [key for key, value in state.items() if 'cls_' in key
                            and value.ndim and len(value) == 4]:
                    state[key] = torch.cat([state[key], state[key][:1]])
            save_checkpoint(content, path)
        return path, trap

    return make


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('way', WAYS)
def test_refused(way, kind, checkpoint, error_of, tiny_config, tmp_path):
    path, trap = checkpoint(kind)
    image = next((tiny_config.parent / 'data' / 'images').glob('*.png'))
    if way == 'latency':
        error = answer(dict(measure='latency', config=str(tiny_config), checkpoint=str(path),
                            device_name='cpu', precision='fp32', fuse=True, iterations=1,
                            warm_up=0))['error']
    else:
        words = [word.replace('CONFIG', str(tiny_config)).replace('FILE', str(path)).replace(
            'OUT', str(tmp_path)).replace('IMAGE', str(image)) for word in WAYS[way].split()]
        error = error_of(*words)
    wanted = OTHER_WORDS.get(kind, KINDS[kind]) if way == 'ultralytics' else KINDS[kind]
    assert str(path) in error and re.search(wanted, error), error
    assert not trap.exists()
    assert not list(tmp_path.rglob('*.pth')) and not list(tmp_path.rglob('*.onnx'))


def test_a_part_is_loaded_when_asked_for(checkpoint, tiny_config, tmp_path):
    """Only then, and the log lists what was and was not loaded."""
    path, _ = checkpoint('other classes')
    result = run_tool('tools/train.py', tiny_config, '--work-dir', tmp_path, '--partial-weights',
                      '--cfg-options', f'load_from={path}', 'train_cfg.max_epochs=1')
    said = result.stdout + result.stderr
    assert 'of another shape: mask_head.cls_' in said and 'tensors of the model are in it' in said
    assert (tmp_path / 'epoch_1.pth').is_file()
