"""Fine-tuning from published weights against training from scratch: one thing differs."""
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

import projects.lmsfa.models  # noqa: F401
from medseg.engine.checkpoint import load_weights
from medseg.engine.publishing import published

FOLDER, END = 'configs/lmsfa/finetune', '40_1xb8-adamw-30e_dsb2018.py'
SYNPELD = 'configs/lmsfa/lmsfa-edge-n_1xb8-300e_peld.py'


def test_only_the_start_differs():
    scratch, tuned = (dict(Config.fromfile(f'{FOLDER}/lmsfa-edge-n_{name}-{END}'))
                      for name in ('scratch', 'synpeld'))
    assert tuned.pop('load_from') == 'weights/lmsfa-edge-n_synpeld.pth'
    assert tuned.pop('partial_start') is True and scratch.pop('load_from') is None
    assert tuned == scratch
    assert tuned['train_dataloader'].dataset.dataset.indices == 40


def test_all_but_the_layer_of_classes_starts_from_the_weights():
    torch.manual_seed(0)
    state = MODELS.build(Config.fromfile(SYNPELD).model).state_dict()
    checkpoint = published(dict(meta=dict(dataset_meta=dict(classes=tuple('abcd'))),
                                state_dict=state), 'a.pth', SYNPELD)
    model = MODELS.build(Config.fromfile(f'{FOLDER}/lmsfa-edge-n_synpeld-{END}').model)
    fit = load_weights(model, checkpoint, 'a.pth', partial=True)
    assert not fit.missing and not fit.unknown
    assert [text.split(' ')[0] for text in fit.reshaped] == ['mask_head.cls_conv.weight',
                                                             'mask_head.cls_conv.bias']
    own = model.backbone.state_dict()
    assert all(torch.equal(value, state[f'backbone.{key}'].half().to(value.dtype))
               if value.is_floating_point() else True for key, value in own.items())
