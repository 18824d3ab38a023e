"""Every config trains and predicts: two iterations at 64 pixels on a tiny set."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.utils import import_modules_from_strings
from tiny_coco import CLASSES, make_tiny_coco

CONFIGS = sorted(str(path) for path in Path('configs').rglob('*_peld.py')
                 if not {'_base_', 'deploy'} & set(path.parts))
SIZE = (64, 64)
#: Sizes that do not follow from the image's, cut down where a config has them.
CUTS = {'mask_head.num_grids': [10, 9, 6, 4, 3], 'train_cfg.num_points': 1024,
        'train_cfg.rpn_proposal.max_per_img': 50, 'train_cfg.rcnn.sampler.num': 32,
        'test_cfg.rpn.max_per_img': 50, 'test_cfg.rcnn.max_per_img': 10}


@pytest.fixture(scope='module')
def tiny_set(tmp_path_factory) -> str:
    """Two images of three objects each."""
    return f'{make_tiny_coco(tmp_path_factory.mktemp("zoo") / "set", num_images=2, size=96)}/'


def shrink(config: Config, root: str) -> Config:
    """Point a config's data to the tiny set, at ``SIZE``; its pipelines stay otherwise."""
    for key, value in CUTS.items():
        owner, name = config.model, key
        while '.' in name and owner is not None:
            first, name = name.split('.', 1)
            owner = owner.get(first)
        if owner and name in owner:
            owner[name] = value
    for name in ('train', 'val'):
        dataset = config[f'{name}_dataloader'].dataset
        while True:
            for transform in dataset.pipeline:
                for key in {'scale', 'img_scale'} & transform.keys():
                    transform[key] = SIZE
            if 'dataset' not in dataset:
                break
            dataset = dataset.dataset
        dataset.data_root = root
        dataset.data_prefix = dict(img='images/')
    config.val_evaluator.ann_file = f'{root}annotations/instances_val.json'
    return config


@pytest.mark.parametrize('path', CONFIGS)
def test_trains_and_predicts(path, tiny_set):
    torch.manual_seed(0)
    config = shrink(Config.fromfile(path), tiny_set)
    import_modules_from_strings(**config.custom_imports)
    model = MODELS.build(config.model)
    model.init_weights()
    if any(hook.type == 'ChannelsLastHook' for hook in config.custom_hooks):
        model.to(memory_format=torch.channels_last)
    model.train()
    # From scratch nothing may be frozen, nor normalise with its initial statistics.
    assert all(module.training for module in model.modules())
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    reached = set()
    for name, p in model.named_parameters():
        p.register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))

    dataset = DATASETS.build(config.train_dataloader.dataset)
    for objects in (True, False):
        samples = [dataset[0], dataset[1]]
        for sample in samples if not objects else []:
            sample['data_samples'].gt_instances = sample['data_samples'].gt_instances[:0]
        losses = model.train_step(pseudo_collate(samples), optimizer)
        assert losses['loss'] > 0
        assert all(value.isfinite() for value in losses.values())
    assert reached == before.keys()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert len(changed) > 0.5 * len(before), sorted(before.keys() - changed)
    assert all(p.isfinite().all() for p in model.parameters())

    model.eval()
    config.val_evaluator.nsd_tolerance_px = None
    metric = METRICS.build(config.val_evaluator)
    dataset = DATASETS.build(config.val_dataloader.dataset)
    metric.dataset_meta = dataset.metainfo
    for i in range(2):
        with torch.no_grad():
            sample, = model.test_step(pseudo_collate([dataset[i]]))
        found = sample.pred_instances
        assert found.masks.dtype == torch.bool and found.masks.shape[1:] == (96, 96)
        assert found.bboxes.shape == (len(found.masks), 4)
        assert len(found.scores) == len(found.labels) == len(found.masks)
        assert found.labels.numel() == 0 or 0 <= found.labels.min() <= found.labels.max() < 4
        metric.process({}, [sample.to_dict()])
    figures = metric.evaluate(size=len(dataset))
    expected = {'InstanceMetric': {'coco/bbox_mAP', 'coco/segm_mAP'},
                'SemanticMetric': {'semantic/dice', 'semantic/hd95'}}
    assert expected[config.val_evaluator.type] <= figures.keys()
    assert dataset.metainfo['classes'] == CLASSES


def test_pretrained_backbone_is_an_option(tmp_path):
    """As docs/models.md says: two options, and a third for checkpoints of classifiers."""
    config = Config.fromfile('configs/rtmdet/rtmdet-ins_tiny_1xb8-300e_peld.py')
    source = MODELS.build(config.model).backbone
    weights = {f'backbone.{name}': torch.full_like(value, 2)
               for name, value in source.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / 'weights.pth')
    config.merge_from_dict({
        'model.backbone.init_cfg.type': 'Pretrained',
        'model.backbone.init_cfg.checkpoint': str(tmp_path / 'weights.pth'),
        'model.backbone.init_cfg.prefix': 'backbone.'})
    model = MODELS.build(config.model)
    model.init_weights()
    assert all((value == 2).all() for value in model.backbone.state_dict().values())


def test_there_are_configs():
    assert len(CONFIGS) >= 45
