"""Whole models on unusual input: sizes, batches, empty images."""
import pytest
import torch
from variant_checks import collate, sample

CONFIGS = ['configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
           'configs/lmsfa/lmsfa-eq-n_1xb8-300e_peld.py',
           'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py']


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
