"""tools/complexity.py against counts made by hand."""
import json

import pytest
import torch
from mmengine.model import BaseModel
from tool_runs import load_tool
from torch import nn
from torch.nn import functional as F

from medseg.benchmark.complexity import count


class HandCounted(BaseModel):
    """One of each kind of operation, on 8 x 4 pixels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.parts = nn.ModuleList([nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
                                    nn.ConvTranspose2d(6, 2, 2, stride=2)])
        self.linear = nn.Linear(2, 5)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = self.norm(self.conv(inputs))
        for part in self.parts:
            x = part(F.silu(x))
        x = self.linear(x.flatten(2).transpose(1, 2))
        attention = torch.einsum('bnc,bmc->bnm', x, x)
        return attention @ x


CONV = 8 * 4 * 6 * 3 * 9
DEPTHWISE = 8 * 4 * 6 * 9
TRANSPOSED = 8 * 4 * 6 * 2 * 4
LINEAR = 16 * 8 * 2 * 5
PRODUCTS = 2 * 128 * 128 * 5


def test_every_kind_of_operation():
    result = count(HandCounted(), 8, 4)
    assert result.macs == CONV + DEPTHWISE + TRANSPOSED + LINEAR + PRODUCTS
    assert result.flops == 2 * result.macs
    assert result.parameters == (6 * 27 + 6) + 12 + 54 + (48 + 2) + 15
    assert result.modules == {
        'conv': (168, CONV), 'parts': (104, DEPTHWISE + TRANSPOSED), 'parts.0': (54, DEPTHWISE),
        'parts.1': (50, TRANSPOSED), 'linear': (15, LINEAR)}


def test_fusing_removes_the_norm():
    result = count(HandCounted(), 8, 4, fuse=True)
    assert result.parameters == (6 * 27 + 6) + 54 + (48 + 2) + 15
    assert result.macs == CONV + DEPTHWISE + TRANSPOSED + LINEAR + PRODUCTS


def test_json_and_modules_of_configs(tmp_path, capsys):
    out = tmp_path / 'new' / 'table.json'
    configs = ['configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
               'mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py']
    tool = load_tool('tools/complexity.py')
    assert tool.main([*configs, '--size', '64', '96', '--json', str(out), '--per-module',
                      '--depth', '1']) == 0
    ours, theirs = json.loads(out.read_text())
    assert [ours['config'], theirs['config']] == configs
    assert ours['parameters'] == 1_829_607 and ours['size'] == [64, 96]
    assert ours['flops'] == 2 * ours['macs']
    assert [module['name'] for module in ours['modules']] == ['backbone', 'neck', 'mask_head']
    assert sum(module['macs'] for module in ours['modules']) == ours['macs']
    assert sum(module['parameters'] for module in ours['modules']) == ours['parameters']
    assert theirs['parameters'] == 5_638_187
    printed = capsys.readouterr().out
    assert '1,829,607' in printed and 'FLOPs = 2 x MACs' in printed
    assert [path.name for path in out.parent.iterdir()] == ['table.json']


@pytest.mark.parametrize('name', [
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', 'solov2/solov2_r50_fpn_1x_coco.py',
    'yolact/yolact_r50_1xb8-55e_coco.py'])
def test_other_families_count(name):
    from medseg.cli import load_config
    from medseg.engine.building import build_model
    model = build_model(load_config(f'mmdet::{name}'))
    result = count(model, 128, 128)
    assert result.parameters == sum(p.numel() for p in model.parameters())
    # The ResNet-50 alone, without its classifier: 4.09 G MACs at 224 x 224.
    assert result.modules['backbone'][1] == pytest.approx(4.09e9 * (128 / 224) ** 2, rel=0.02)
    assert result.macs > result.modules['backbone'][1]


def test_two_stages_cost_the_same_whatever_the_weights():
    from medseg.cli import load_config
    from medseg.engine.building import build_model
    config = load_config('configs/mask_rcnn/mask-rcnn_r50_fpn_1xb8-300e_peld.py')
    config.model.test_cfg.rpn.max_per_img = 20
    model = build_model(config)
    threshold = model.rpn_head.test_cfg.nms.iou_threshold
    first = count(model, 64, 64).macs
    torch.manual_seed(0)  # other weights, with which boxes keep an extent
    for p in model.rpn_head.parameters():
        nn.init.normal_(p, std=0.1)
    result = count(model, 64, 64)
    assert result.macs == first
    assert model.rpn_head.test_cfg.nms.iou_threshold == threshold == 0.7
    # Twenty boxes through two linear layers, 256 * 7 * 7 -> 1024 -> 1024, and the two outputs.
    boxes = 20 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * (5 + 16))
    # Their masks through four 3x3 convolutions, one transposed and one 1x1.
    masks = 20 * 256 * (4 * 14 * 14 * 256 * 9 + 14 * 14 * 256 * 4 + 28 * 28 * 4)
    assert result.modules['roi_head'][1] == boxes + masks


def test_wrong_config(error_of):
    assert 'no such config in package mmdet' in error_of('tools/complexity.py', 'mmdet::x/none.py')
    assert 'none.py: no such config' in error_of('tools/complexity.py', 'none.py')
