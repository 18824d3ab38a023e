"""SparseInst: aggregation and matching by hand, its size, and that it learns."""
import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from tiny_coco import make_tiny_coco

from projects.baselines.instance_context_encoder import InstanceContextEncoder
from projects.baselines.sparse_inst_head import SparseInstHead

CONFIG = 'configs/sparseinst/sparseinst_r50_1xb8-300e_peld.py'


def head(**options):
    options = dict(num_classes=3, in_channels=8, channels=8, num_masks=5, kernel_channels=4,
                   groups=2, num_convs=1) | options
    model = SparseInstHead(**options)
    model.init_weights()
    return model


def test_features_under_a_map():
    model = head(num_masks=1, groups=2)
    feats = torch.tensor([[1., 3.], [10., 30.]]).reshape(1, 2, 1, 2)
    sure = 100.
    # The first group looks at the left pixel, the second at both alike.
    maps = torch.tensor([[sure, -sure], [0., 0.]]).reshape(1, 2, 1, 2)
    assert model.aggregate(feats, maps).tolist() == [[[1., 10., 2., 20.]]]


def test_groups_belong_to_their_instance():
    model = head(num_masks=2, groups=2)
    feats = torch.tensor([[1., 2., 3., 4.]]).reshape(1, 1, 1, 4)
    maps = 100. * (2 * torch.eye(4) - 1).reshape(1, 4, 1, 4)
    # Maps 0 and 1 are the first group's of both instances, 2 and 3 the second's.
    assert model.aggregate(feats, maps).tolist() == [[[1., 3.], [2., 4.]]]


def test_matching_weighs_class_and_mask():
    model = head(num_classes=2)
    left = torch.tensor([[1., 0.]])
    masks = 50 * (2 * torch.stack([left, 1 - left, left]) - 1)
    logits = torch.tensor([[9., -9.], [9., 9.], [-9., 9.]])
    labels, targets = torch.tensor([1, 0]), torch.stack([left, 1 - left])
    found, objects = model.match(logits, masks, labels, targets)
    # Prediction 0 has the mask of object 0 but not its class, prediction 2 both.
    assert found.tolist() == [1, 2] and objects.tolist() == [1, 0]


def test_losses_of_a_perfect_prediction():
    model = head(test_cfg=dict(mask_thr_binary=0.45))
    target = torch.zeros(1, 4, 4)
    target[:, :2] = 1
    masks = (-50. * torch.ones(1, 5, 4, 4)).clone()
    masks[0, 3] = 50 * (2 * target[0] - 1)
    logits = torch.full((1, 5, 3), -50.)
    logits[0, 3, 2] = 50.
    objectness = torch.full((1, 5), 50.)

    class Masks:
        def to_tensor(self, dtype, device):
            return target.to(dtype)

        def __len__(self):
            return 1

    truth = InstanceData(labels=torch.tensor([2]))
    truth.set_field(Masks(), 'masks', dtype=Masks)
    losses = model.loss_by_feat(logits, objectness, masks, [truth], [{}])
    assert all(value < 1e-3 for value in losses.values())
    assert model.loss_by_feat(-logits, objectness, -masks, [truth], [{}])['loss_cls'] > 1


def test_scores():
    model = head(test_cfg=dict(score_thr=0.3, mask_thr_binary=0.5, max_per_img=10))
    probability = torch.full((1, 5, 2, 2), 0.1)
    probability[0, 1] = torch.tensor([[0.9, 0.7], [0.1, 0.1]])
    logits = torch.full((1, 5, 3), 0.01)
    logits[0, 1, 2] = 0.5
    objectness = torch.full((1, 5), 0.5)
    meta = dict(img_shape=(2, 2), batch_input_shape=(2, 2), ori_shape=(2, 2))
    result, = model.predict_by_feat(*(x.logit() for x in (logits, objectness, probability)),
                                    [meta])
    # sqrt(0.5 * 0.5), times the mean probability of the two pixels inside.
    assert result.scores.tolist() == pytest.approx([0.5 * 0.8])
    assert result.labels.tolist() == [2]
    assert result.masks.tolist() == [[[True, True], [False, False]]]
    assert result.bboxes.tolist() == [[0, 0, 2, 1]]


def test_sizes():
    encoder = InstanceContextEncoder((8, 16, 32), channels=8)
    feats = [torch.zeros(2, 8 * 2 ** i, 12 // 2 ** i, 20 // 2 ** i) for i in range(3)]
    x, = encoder(feats)
    assert x.shape == (2, 8, 12, 20)
    logits, objectness, masks = head()((x,))
    assert (logits.shape, objectness.shape, masks.shape) == ((2, 5, 3), (2, 5), (2, 5, 24, 40))


def test_it_learns(tmp_path):
    """Two images by heart, with a small backbone."""
    torch.manual_seed(0)
    root = f'{make_tiny_coco(tmp_path / "set", size=64)}/'
    config = Config.fromfile(CONFIG)
    config.model.backbone.depth = 18
    config.model.neck.update(in_channels=(128, 256, 512), channels=64)
    config.model.mask_head.update(in_channels=64, channels=64, num_masks=10, num_convs=2)
    model = MODELS.build(config.model)
    model.init_weights()
    dataset = config.train_dataloader.dataset.dataset
    dataset.update(data_root=root)
    dataset.pipeline[-1].scale = (64, 64)
    dataset.pipeline.append(dict(type='PackDetInputs'))
    dataset = DATASETS.build(dataset)
    data = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    totals = []
    for _ in range(60):
        losses = model(**data, mode='loss')
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.)
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.25 * totals[0]
    with torch.no_grad():
        results = model.eval()(**data, mode='predict')
    for sample in results:
        found = sample.pred_instances[:3]
        truth = sample.gt_instances
        masks = truth.masks.to_tensor(torch.bool, 'cpu')
        for label, mask in zip(truth.labels, masks, strict=True):
            best = found.masks[found.labels == label]
            assert ((best & mask).sum((1, 2)) / (best | mask).sum((1, 2))).max() > 0.5
