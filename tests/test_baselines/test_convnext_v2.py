"""ConvNeXt V2 against the published size, the paper's equations and its weights' names."""
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch.nn import functional as F

from projects.baselines.convnext_v2 import GRN, ConvNeXtV2, ConvNeXtV2Block


def small(**options):
    model = ConvNeXtV2(depths=(1, 1, 2, 1), channels=(8, 16, 24, 32), **options)
    model.init_weights()
    return model


def test_size_t():
    # The published model has 28,635,496 parameters, 769,000 of them in the classifier. It
    # normalises the last output only, this one the other three too.
    parameters = sum(p.numel() for p in ConvNeXtV2().parameters())
    assert parameters == 28_635_496 - 769_000 + 2 * (96 + 192 + 384)


def test_grn_by_hand():
    grn = GRN(2, eps=0.)
    x = torch.tensor([[3., 0.], [4., 5.]]).reshape(1, 2, 1, 2)
    assert torch.equal(grn(x), x)  # the identity until it has learnt something
    grn.gamma.data[:] = torch.tensor([1., 2.])
    grn.beta.data[:] = torch.tensor([0., 10.])
    # Channel norms 5 and 5, mean 5: both relative norms are 1.
    assert grn(x).reshape(2, 2).tolist() == [[6., 10.], [8., 25.]]
    x[0, 1, 0, 1] = 15.
    # Norms 5 and 15, mean 10: 0.5 and 1.5.
    assert grn(x).reshape(2, 2).tolist() == [[4.5, 10.], [6., 70.]]


def test_block_by_definition():
    torch.manual_seed(0)
    block = ConvNeXtV2Block(4)
    torch.nn.init.normal_(block.grn.gamma)
    torch.nn.init.normal_(block.grn.beta)
    x = torch.randn(2, 4, 9, 6)
    y = F.conv2d(x, block.depthwise_conv.weight, block.depthwise_conv.bias, padding=3, groups=4)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    y = F.gelu(torch.einsum('nchw,oc->nohw', y, block.pointwise_conv1.weight)
               + block.pointwise_conv1.bias[:, None, None])
    norm = y.square().sum((2, 3), keepdim=True).sqrt()
    y = y + y * norm / (norm.mean(1, keepdim=True) + 1e-6) * block.grn.gamma[:, None, None] \
        + block.grn.beta[:, None, None]
    y = torch.einsum('nchw,oc->nohw', y, block.pointwise_conv2.weight) \
        + block.pointwise_conv2.bias[:, None, None]
    torch.testing.assert_close(block(x), x + y)


@pytest.mark.parametrize('shape', [(64, 96), (33, 47)])
def test_strides(shape):
    outs = small(out_indices=(1, 3))(torch.zeros(2, 3, *shape))
    assert [out.shape for out in outs] == [
        (2, 16, shape[0] // 8, shape[1] // 8), (2, 32, shape[0] // 32, shape[1] // 32)]


def test_weights_of_the_papers_repository():
    """Loaded through a detector, as ``load_from`` does, next to a classifier's leftovers."""
    torch.manual_seed(0)
    source, target = small(), torch.nn.ModuleDict({'backbone': small()})
    for p in source.parameters():
        torch.nn.init.normal_(p)
    theirs = {}
    for name, value in source.state_dict().items():
        if name.startswith('norm'):
            continue  # the detector's
        for ours, official in (('depthwise_conv', 'dwconv'), ('pointwise_conv', 'pwconv')):
            name = name.replace(ours, official)
        theirs[f'backbone.{name}'] = value.reshape(1, 1, 1, -1) if '.grn.' in name else value
    theirs['backbone.head.weight'] = torch.zeros(5, 32)
    load_state_dict(target, theirs)
    loaded = target['backbone'].state_dict()
    compared = [name for name in loaded if not name.startswith('norm')]
    assert len(compared) == len(theirs) - 1
    assert all(torch.equal(loaded[name], source.state_dict()[name]) for name in compared)


def test_wrong_stages():
    with pytest.raises(ValueError, match='as many'):
        ConvNeXtV2(depths=(1, 1), channels=(8, 16, 24))
