"""The attentions of Table VI against their papers' equations."""
import pytest
import torch
from mmdet.registry import MODELS
from torch import nn
from variant_checks import assert_variant, count

from medseg.models.c2f import DarknetUnit
from projects.lmsfa.attention.afgc_attention import AFGCAttention
from projects.lmsfa.attention.cpca_attention import CPCAAttention
from projects.lmsfa.attention.se_attention import SEAttention
from projects.lmsfa.attention.simam import SimAM
from projects.lmsfa.units.attentive_unit import AttentiveDarknetUnit
from projects.lmsfa.units.rvb import RVBUnit

CONFIG = 'configs/lmsfa/attention/lmsfa-n_{}_1xb8-300e_peld.py'
# Parameters of the whole model. LMSF-A has 1,829,607; without EMA 1,821,095.
PARAMETERS = {
    'none': 1_821_095, 'simam': 1_821_095, 'se': 1_828_807, 'afgc': 1_874_243, 'cpca': 1_969_859,
    'ema-s16-s32': 1_829_207,
    # YOLOv8n-seg has 3,264,380.
    'base-simam': 3_264_380, 'base-se': 3_268_456, 'base-afgc': 3_291_622,
    'base-cpca': 3_342_416,
    # Ablation row 2, 2,548,780 with EMA.
    'c2fpro-se': 2_547_980,
}


@pytest.mark.parametrize('variant', PARAMETERS)
def test_config(variant, build_model):
    assert_variant(build_model(CONFIG.format(variant)), PARAMETERS[variant])


# Of 64 channels. SE: 64 -> 4 -> 64. AFGC: a 64 x 64 matrix with bias, a kernel of 3, the mix.
# CPCA: 64 -> 16 -> 64, depthwise 5x5 and 2 x (7 + 11 + 21), a 64 x 64 convolution, all with bias.
@pytest.mark.parametrize('name, parameters', [
    ('SimAM', 0),
    ('SEAttention', 2 * 64 * 4 + 4 + 64),
    ('AFGCAttention', 64 * 64 + 64 + 3 + 1),
    ('CPCAAttention', 2 * 64 * 16 + 16 + 64 + 64 * (25 + 2 * 39) + 7 * 64 + 64 * 64 + 64)])
def test_parameters_and_shape(name, parameters):
    module = MODELS.build(dict(type=name, channels=64))
    assert count(module) == parameters
    assert module(torch.randn(2, 64, 5, 7)).shape == (2, 64, 5, 7)
    unit = RVBUnit(64, attention=dict(type=name))
    assert isinstance(unit.attention, type(module))


def test_simam_is_the_inverse_energy():
    x = torch.randn(2, 3, 6, 5, dtype=torch.double)
    lam = 1e-4
    mean = x.mean((2, 3), keepdim=True)
    variance = x.var((2, 3), unbiased=True, keepdim=True)
    energy = 4 * (variance + lam) / ((x - mean) ** 2 + 2 * variance + 2 * lam)
    torch.testing.assert_close(SimAM(3, lam)(x), x * torch.sigmoid(1 / energy))


def test_simam_of_equal_pixels():
    # No pixel differs from the mean, so 1 / energy is 1/2 everywhere; also on a single pixel.
    for size in ((4, 4), (1, 1)):
        x = torch.full((1, 2, *size), 3.0)
        torch.testing.assert_close(SimAM(2)(x), x * torch.tensor(0.5).sigmoid())


def test_se_without_weights_is_its_bias():
    module = SEAttention(32)
    nn.init.zeros_(module.excite.weight)
    nn.init.normal_(module.excite.bias)
    x = torch.randn(2, 32, 4, 6)
    torch.testing.assert_close(module(x), x * module.excite.bias.sigmoid().view(1, -1, 1, 1))


def test_se_sees_only_means():
    module = SEAttention(16).double()
    x = torch.randn(1, 16, 4, 4, dtype=torch.double)
    shuffled = x.flatten(2)[..., torch.randperm(16)].view_as(x)
    torch.testing.assert_close((module(x) / x).mean((2, 3)),
                               (module(shuffled) / shuffled).mean((2, 3)))


@pytest.mark.parametrize('channels, kernel_size', [(16, 3), (32, 3), (64, 3), (128, 5), (512, 5)])
def test_afgc_equals_the_correlation_matrix(channels, kernel_size):
    module = AFGCAttention(channels).double()
    assert module.local_conv.kernel_size == (kernel_size,)
    x = torch.randn(2, channels, 3, 4, dtype=torch.double)
    z = x.mean((2, 3))
    local = module.local_conv(z[:, None])[:, 0]
    whole = z @ module.global_conv.weight[..., 0, 0].T + module.global_conv.bias
    matrix = local[:, :, None] @ whole[:, None]
    share = 1 / (1 + torch.exp(-module.mix))
    gate = (share * matrix.sum(1).sigmoid()
            + (1 - share) * matrix.transpose(1, 2).sum(1).sigmoid())
    gate = module.local_conv(gate[:, None])[:, 0].sigmoid()
    torch.testing.assert_close(module(x), x * gate[..., None, None])


def test_cpca_with_identity_convolutions():
    """Channel gate 1/2, identity plus three identity branches: (x / 2) * 4 (x / 2) = x squared."""
    module = CPCAAttention(4)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    for conv in [module.local_conv, module.mix_conv, *(c for s in module.strips for c in s)]:
        nn.init.dirac_(conv.weight, groups=conv.groups)
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(module(x), x.square())


def test_cpca_reaches_as_far_as_its_longest_strip():
    module = CPCAAttention(4).double()
    x = torch.rand(1, 4, 41, 41, dtype=torch.double, requires_grad=True)
    # The channel gate sees everything; hold it still.
    nn.init.zeros_(module.channel_mlp[2].weight)
    grad, = torch.autograd.grad(module(x)[0, :, 20, 20].sum(), x)
    rows = grad[0].abs().sum(0)[:, 20].nonzero()[:, 0]
    assert (rows.min().item(), rows.max().item()) == (20 - 10 - 2, 20 + 10 + 2)


def test_attention_of_a_darknet_unit_is_inside_its_shortcut():
    unit = AttentiveDarknetUnit(16, dict(type='SEAttention')).eval()
    plain = DarknetUnit(16).eval()
    missing = plain.load_state_dict(unit.state_dict(), strict=False)
    assert not missing.missing_keys
    nn.init.zeros_(unit.attention.excite.weight)
    nn.init.zeros_(unit.attention.excite.bias)  # a gate of 1/2
    x = torch.randn(1, 16, 5, 5)
    torch.testing.assert_close(unit(x), x + (plain(x) - x) / 2)
    assert not AttentiveDarknetUnit(16, dict(type='SimAM'), shortcut=False).shortcut


def test_ema_is_where_section_iii_b_has_it(build_model):
    model = build_model(CONFIG.format('ema-s16-s32'))
    names = [n for n, m in model.backbone.named_modules() if type(m).__name__ == 'EMAttention']
    # Two units at stride 16, one at stride 32.
    assert [n[:8] for n in names] == ['stages.2', 'stages.2', 'stages.3']
