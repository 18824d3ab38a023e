"""The network: counts to the last parameter, parts by hand, any size."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config

from medseg.benchmark.complexity import count
from medseg.benchmark.thop_convention import thop_macs
from medseg.errors import UserError
from projects.hrmedseg.ecm_decoder import ECMDecoder
from projects.hrmedseg.embedding_neck import ChannelLayerNorm
from projects.hrmedseg.lgvit import LGViT, MBConv
from projects.hrmedseg.prompt_encoder import PromptEncoder
from projects.hrmedseg.two_way_transformer import MetaPooling

RELEASE = 'configs/hrmedseg/hrmedseg_lgvit-96-release_1xb16-200e_dsb2018.py'
BINARY = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_dsb2018.py'
FOUR = 'configs/hrmedseg/hrmedseg_lgvit-96_1xb4-30e_peld.py'


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def build(build_model):
    def make(path, **options):
        torch.manual_seed(0)
        return build_model(path, **options).eval()
    return make


def test_parameters_of_the_release(build):
    model = build(RELEASE)
    assert parameters(model.backbone) == 957_648
    assert parameters(model.backbone.patch_embed) == 73_824
    assert [parameters(stage) for stage in model.backbone.stages] == [
        79_104, 160_944, 482_832, 160_944]
    assert parameters(model.backbone.stages[1][0].attn) == 42_936
    assert parameters(model.backbone.stages[1][0]) == 80_472
    assert parameters(model.neck) == 615_424
    assert parameters(model.prompt_encoder) == 6_220
    decoder = model.decode_head
    assert parameters(decoder) == 1_947_072
    assert parameters(decoder.transformer) == 1_452_672
    assert parameters(decoder.transformer.layers[0]) == 660_224
    assert parameters(decoder.enlarge) == 73_952
    assert parameters(decoder.hypernetworks[0]) == 139_808
    assert parameters(model) == 3_526_364


@pytest.mark.parametrize('dim, total', [(48, 2_820_980), (64, 3_008_492), (128, 4_234_700),
                                        (192, 6_222_764)])
def test_parameters_of_other_widths(build, dim, total):
    heads = {48: (6, 12, 12), 64: (8, 16, 16)}.get(dim, (8, 16, 16) if dim == 128 else (6, 12, 24))
    model = build(RELEASE, **{'backbone.dim': dim, 'backbone.num_heads': heads,
                              'neck.in_channels': dim})
    assert parameters(model) == total


def test_our_forms(build):
    """Without what nothing uses: 279,616 of two hypernetworks, 5,964 of prompts, two tokens."""
    assert parameters(build(BINARY)) == 3_526_364 - 279_616 - 5_964 - 2 * 256
    # Each further class is a token and a hypernetwork.
    assert parameters(build(FOUR)) - parameters(build(BINARY)) == 3 * (256 + 139_808)


def test_operations_at_the_papers_size(build):
    model = build(RELEASE)
    counts = count(model, 1024, 1024)
    assert thop_macs(model, 1024, 1024) == 9_391_738_880
    # The design's 16.460 G take the normaliser's two sums for matrix products, 16 M more.
    assert counts.flops == 16_443_031_552
    assert counts.modules['backbone'][1] * 2 == pytest.approx(7.870e9, rel=0.003)
    assert counts.modules['neck'][1] * 2 == pytest.approx(5.033e9, rel=1e-3)
    assert counts.modules['decode_head'][1] * 2 == pytest.approx(3.555e9, rel=0.004)


def test_mbconv_starts_as_gelu():
    block = MBConv(8)
    x = torch.randn(2, 8, 5, 7)
    assert torch.equal(block(x), F.gelu(x))


def test_drop_path_rises():
    """12 values from 0 to 0.1; the two MBConvs take the first two and drop nothing."""
    rates = [block.drop_path.drop_prob for stage in LGViT().stages[1:] for block in stage]
    assert rates == pytest.approx([0.1 * (i + 2) / 11 for i in range(10)])


def test_checkpointing_changes_nothing():
    torch.manual_seed(0)
    model = LGViT(dim=24, depths=(1, 1, 1, 1), num_heads=(2, 4, 6), drop_path_rate=0)
    image = torch.randn(1, 3, 32, 48)
    gradients = []
    for with_cp in (False, True):
        model.with_cp = with_cp
        model.zero_grad()
        model(image)[0].square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, atol=1e-6)


def test_channel_layer_norm_by_hand():
    norm = ChannelLayerNorm(2, eps=0)
    x = torch.tensor([[[[1.0, 4.0]], [[3.0, 0.0]]]])
    # Mean 2 at both pixels, deviation 1 and 2.
    assert norm(x).tolist() == [[[[-1.0, 1.0]], [[1.0, -1.0]]]]


def test_meta_pooling_by_hand():
    """A single 1 in the middle of 3 x 3; windows are cut at the edge and divide by what is left."""
    image = torch.zeros(1, 9, 1)
    image[0, 4] = 1
    found = MetaPooling((3, 5))(image, (3, 3)).reshape(3, 3)
    # Corner: means of 4 and of 9 pixels, less 0. Middle: 1 + (1/9 - 1) + (1/9 - 1).
    assert found[0, 0] == pytest.approx(1 / 4 + 1 / 9)
    assert found[1, 1] == pytest.approx(2 / 9 - 1)
    with pytest.raises(ValueError, match='must be odd'):
        MetaPooling((4,))


def test_pooling_has_no_parameters_and_changes_the_mask(build):
    plain, pooled = build(BINARY), build(BINARY, **{'decode_head.windows': (5, 9, 13)})
    assert parameters(plain) == parameters(pooled)
    pooled.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(plain.logits(image), pooled.logits(image))


@pytest.mark.parametrize('size', [(64, 64), (48, 112), (16, 32)])
def test_any_size(build, size):
    model = build(FOUR)
    with torch.no_grad():
        logits = model.logits(torch.randn(2, 3, *size))
    assert logits.shape == (2, 4, size[0] // 4, size[1] // 4) and logits.isfinite().all()


def test_each_token_draws_its_own_mask(build):
    """Another token for class 2 changes what class 2 is drawn with; no class reads the extra."""
    model = build(FOUR)
    decoder = model.decode_head
    tokens = torch.randn(1, 5, 256)
    image = torch.randn(1, 256, 4, 4)
    decoder.transformer.forward = lambda t, i, code, grid: (tokens, i)
    code = model.prompt_encoder.grid_code(4, 4)
    with torch.no_grad():
        before = decoder(image, code)
        for token, changed in ((0, []), (1, [0]), (3, [2])):
            kept = tokens[:, token].clone()
            tokens[:, token] += 1
            after = decoder(image, code)
            tokens[:, token] = kept
            assert [c for c in range(4) if not torch.allclose(after[:, c], before[:, c])] \
                == changed


def test_images_of_a_batch_do_not_mix(build):
    model = build(FOUR)
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        together = model.logits(images)
        alone = torch.cat([model.logits(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_position_code_of_points_and_cells_agree():
    prompts = PromptEncoder(8, prompts=True)
    code = prompts.grid_code(2, 4)
    # The centre of row 1, column 2.
    assert torch.allclose(prompts.encode(torch.tensor([2.5 / 4, 1.5 / 2])), code[1 * 4 + 2])
    labels = torch.tensor([[1, -1]])
    found = prompts.sparse(torch.tensor([[[0.625, 0.75], [0.1, 0.1]]]), labels)
    assert torch.allclose(found[0, 0], code[6] + prompts.corners[1])
    assert torch.equal(found[0, 1], prompts.no_point)
    assert prompts.dense(torch.zeros(2, 1, 8, 16)).shape == (2, 8, 2, 4)


def test_wrong_arguments(build):
    with pytest.raises(UserError, match='4 classes and 3 mask tokens'):
        ECMDecoder(4, num_mask_tokens=3)
    with pytest.raises(ValueError, match='4 stages need 3 numbers of heads'):
        LGViT(num_heads=(6, 12))
    with pytest.raises(ValueError, match='40 x 32 is no multiple of 16'):
        LGViT()(torch.zeros(1, 3, 40, 32))


def test_saved_activations_fit_the_papers_memory(build):
    """At 1024 x 1024, batch 1: the tensors kept for the backward pass, each memory once."""
    model = build(BINARY).train()
    kept = {}

    def pack(tensor):
        memory = tensor.untyped_storage()
        kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in model.state_dict(keep_vars=True).values()}
    image = torch.randn(1, 3, 1024, 1024)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = F.interpolate(model.logits(image), size=(1024, 1024), mode='bilinear')
        terms = model.loss_mask(logits, torch.zeros_like(logits), torch.ones_like(logits))
        loss = sum(terms.values())
        total = sum(size for at, size in kept.items() if at not in own) / 2 ** 20
        assert loss.requires_grad
    assert total < 530


def test_scales_of_the_configs():
    for path, dim in ((BINARY, 96), (BINARY.replace('-96_', '-192_'), 192)):
        model = MODELS.build(Config.fromfile(path).model)
        assert model.backbone.patch_embed.out_channels == dim and model.num_classes == 1
