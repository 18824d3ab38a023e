"""Whole models on unusual input: sizes, batches, empty images."""
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmengine.structures import InstanceData

CONFIGS = ['configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
           'configs/lmsfa/lmsfa-eq-n_1xb8-300e_peld.py',
           'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py']


def sample(shape, num_objects):
    height, width = shape
    data = DetDataSample(metainfo=dict(
        img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), img_id=1))
    boxes = torch.tensor([[1.0 + i, 2.0, width * 0.6, height * 0.7] for i in range(num_objects)])
    masks = [[np.array([b[0], b[1], b[2], b[1], b[2], b[3], b[0], b[3]])] for b in boxes.tolist()]
    data.gt_instances = InstanceData(
        bboxes=boxes.reshape(-1, 4), labels=torch.zeros(num_objects, dtype=torch.long),
        masks=PolygonMasks(masks, height, width))
    data.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return dict(inputs=torch.randint(0, 256, (3, height, width), dtype=torch.uint8),
                data_samples=data)


def collate(*samples):
    return dict(inputs=[s['inputs'] for s in samples],
                data_samples=[s['data_samples'] for s in samples])


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('batch', [
    [((64, 64), 2)],                      # a batch of one, smaller than the largest stride's grid
    [((96, 64), 1), ((64, 128), 0)],      # non-square, different sizes, one without objects
    [((64, 64), 0), ((64, 64), 0)],       # a batch without any object
    [((33, 40), 1)],                      # not a multiple of 32
])
def test_trains(config, batch, build_model):
    model = build_model(config).train()
    data = model.data_preprocessor(collate(*(sample(*b) for b in batch)), True)
    losses = model(**data, mode='loss')
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('shape', [(20, 300), (1, 1), (64, 64), (33, 40)])
def test_predicts(config, shape, build_model):
    model = build_model(config).eval()
    data = model.data_preprocessor(collate(sample(shape, 0)), False)
    with torch.no_grad():
        result, = model(**data, mode='predict')
    predicted = result.pred_instances
    assert predicted.masks.shape[1:] == shape
    assert len(predicted.masks) == len(predicted.bboxes) == len(predicted.scores)
    assert predicted.masks.dtype == torch.bool


def test_ema_only_at_deep_strides_is_a_config(build_model):
    """Section III-B's variant: attention at strides 16 and 32 only, by config alone."""
    plain = dict(type='C2fPro', unit=dict(type='RVBUnit', attention=None))
    full = dict(type='C2fPro')
    model = build_model(CONFIGS[0], **{'backbone.block': [plain, plain, full, full]})
    names = [n for n, _ in model.backbone.named_modules() if n.endswith('attention.conv3x3')]
    assert names and all(n.startswith(('stages.2', 'stages.3')) for n in names)
