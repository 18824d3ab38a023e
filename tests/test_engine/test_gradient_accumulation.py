"""The gradient of a step is the sum over its images, wherever they are."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData
from torch import nn

from medseg.engine.hooks import SumGradientsHook
from projects.baselines.yolo11_seg_head import YOLO11SegHead
from projects.baselines.yolov8_seg_head import YOLOv8SegHead
from projects.lmsfa.equations.scale_shared_head import ScaleSharedHead
from projects.lmsfa.heads import EfficientHead, LADHHead, LMSHead, LQEHead

HEADS = [YOLOv8SegHead, YOLO11SegHead, LMSHead, LADHHead, LQEHead, EfficientHead, ScaleSharedHead]
SIZE = 128
META = dict(img_shape=(SIZE, SIZE), batch_input_shape=(SIZE, SIZE))


class Model(nn.Module):
    """A head that is given its maps: ``images`` copies of one image with one object."""

    def __init__(self, head_type, **options):
        super().__init__()
        torch.manual_seed(0)
        test = Config.fromfile('configs/_base_/models/yolov8n_seg.py').model
        self.head = head_type(num_classes=2, in_channels=(32, 32, 32), num_protos=16,
                              train_cfg=test.train_cfg, test_cfg=test.test_cfg, **options)
        self.feats = [torch.randn(1, 32, SIZE // s, SIZE // s) for s in (8, 16, 32)]

    def forward(self, images):
        square = np.array([20., 30, 90, 30, 90, 100, 20, 100])
        truth = InstanceData(bboxes=torch.tensor([[20., 30, 90, 100]]), labels=torch.tensor([1]),
                             masks=PolygonMasks([[square]], SIZE, SIZE))
        maps = self.head([feat.expand(images, -1, -1, -1) for feat in self.feats])
        return sum(self.head.loss_by_feat(*maps, [truth] * images, [META] * images).values())

    def gradient(self):
        return torch.cat([p.grad.flatten() for p in self.parameters() if p.grad is not None])


def gradients(model, batches, accumulate, last=-1):
    """Gradient of each step of a training on batches of so many images."""
    steps = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.step = lambda: steps.append(model.gradient().clone())
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulate)
    if last > 0:
        wrapper.initialize_count_status(model, 0, last)
    SumGradientsHook().before_train(SimpleNamespace(model=model, optim_wrapper=wrapper))
    model.zero_grad()
    for images in batches:
        wrapper.update_params(model(images))
    return steps


@pytest.mark.parametrize('head_type', HEADS)
def test_four_images_are_four_images(head_type):
    model = Model(head_type)
    together, = gradients(model, [4], 1)
    assert together.norm() > 1
    for images, accumulate in ((2, 2), (1, 4)):
        step, = gradients(model, [images] * accumulate, accumulate)
        torch.testing.assert_close(step, together, rtol=1e-3, atol=1e-4 * together.norm().item())
    alone, = gradients(model, [1], 1)
    assert together.norm() / alone.norm() == pytest.approx(4, rel=1e-3)


def test_the_last_step_of_an_epoch_may_have_fewer_batches():
    two, one = gradients(Model(LMSHead), [1, 1, 1], 2, last=3)
    assert two.norm() / one.norm() == pytest.approx(2, rel=1e-3)


def test_means_are_averaged_still():
    model = Model(LMSHead, scale_loss_by_batch=False)
    together, = gradients(model, [4], 1)
    accumulated, = gradients(model, [1] * 4, 4)
    assert accumulated.norm() / together.norm() == pytest.approx(1, rel=1e-3)


def process(rank, file, results):
    """One of two processes, with two images each."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', f'file://{file}', rank=rank, world_size=2)
    model = Model(LMSHead)
    shared = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    shared(2).backward()
    torch.save(model.gradient(), f'{results}{rank}.pt')
    torch.distributed.destroy_process_group()


def test_two_processes_of_two_images_are_four_images(tmp_path):
    torch.multiprocessing.spawn(process, (tmp_path / 'meet', f'{tmp_path}/gradient'), nprocs=2)
    together, = gradients(Model(LMSHead), [4], 1)
    for rank in (0, 1):
        step = torch.load(tmp_path / f'gradient{rank}.pt', weights_only=True)
        assert step.norm() / together.norm() == pytest.approx(1, rel=1e-3)


def test_every_config_has_the_hook():
    config = Config.fromfile('configs/lmsfa/lmsfa-n_1xb8-300e_peld.py')
    assert config.default_hooks.sum_gradients.type == 'SumGradientsHook'
