"""Compare a training of ours with Ultralytics' part by part; the first difference is the lead.

Ultralytics (AGPL-3.0) is an optional peer, never a dependency: run this in an environment of its
own that holds this project and `pip install --no-deps ultralytics`. Both start from the weights of
Ultralytics' model, see the same batch of the config's training pipeline with the same boxes, and
the tool prints, ours beside theirs: initial weights, outputs, positives and class targets, each
loss, gradients, the masks' targets, learning rates per step, how far back the averaged weights
look, and with --peer-data what the two augmentations deliver.

  peer/bin/python tools/peers/compare_ultralytics_training.py \\
      configs/yolov8/yolov8n-seg_1xb8-adamw-30e_dsb2018.py --peer-data dsb2018.yaml

Exit code: 0 compared, 2 wrong input.
"""
from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.config import DictAction
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.engine import compat
from medseg.errors import UserError
from projects.baselines.ultralytics_weights import convert, family_of, read_weights, source_name

CONSOLE = Console(width=110)


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of YOLOv8-seg or YOLO11-seg')
    parser.add_argument('--peer-model', default='yolov8n-seg.yaml')
    parser.add_argument('--peer-data', type=Path,
                        help='data.yaml of the same images, to compare the augmentations')
    parser.add_argument('--peer-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        default=dict(optimizer='AdamW', lr0=0.002, nbs=8, batch=8, epochs=30),
                        help='settings of the training it is compared with (default: %(default)s)')
    parser.add_argument('--samples', type=int, default=200,
                        help='augmented images of each to take statistics of (default: 200)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    return parser.parse_args(argv)


def show(title: str, columns: tuple[str, ...], rows: list[tuple]) -> None:
    """Print a table; numbers with four digits."""
    table = Table(*columns, title=title, title_justify='left')
    for row in rows:
        table.add_row(*(f'{cell:.4g}' if isinstance(cell, float) else str(cell) for cell in row))
    CONSOLE.print(table)


def compare_initialisation(ours: torch.nn.Module, theirs: torch.nn.Module, family: str) -> None:
    """Standard deviations of the weights that each training starts from."""
    state, ratios = theirs.state_dict(), {}
    for name, value in ours.named_parameters():
        if value.dim() == 4:
            source = source_name(name, family)
            kind = f'{value.shape[2]}x{value.shape[3]}' + (
                ' depthwise' if value.shape[1] == 1 and value.shape[0] > 1 else '')
            ratios.setdefault((name.split('.')[0], kind), []).append(
                (value.std() / state[source].std()).item())
    show('Initial weights: standard deviation, ours by theirs', ('part', 'kernel', 'layers',
         'median', 'largest'), [(*key, len(values), float(np.median(values)), max(values))
                                for key, values in ratios.items()])


def peer_batch(images: torch.Tensor, samples: list, ratio: int = 4) -> dict:
    """Our batch as Ultralytics' loss takes it; masks drawn by its own function."""
    from ultralytics.data.utils import polygons2masks_overlap
    height, width = images.shape[-2:]
    index, classes, boxes, masks = [], [], [], []
    for i, sample in enumerate(samples):
        gt = sample.gt_instances
        segments = [np.concatenate(parts) for parts in gt.masks.masks]
        order = np.arange(0)
        drawn = np.zeros((height // ratio, width // ratio), np.int32)
        if segments:
            drawn, order = polygons2masks_overlap((height, width), segments, ratio)
        masks.append(torch.from_numpy(drawn.astype(np.int32)))
        box = gt.bboxes.cpu()[order] / torch.tensor([width, height, width, height])
        boxes.append(torch.cat([(box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]], 1))
        classes.append(gt.labels.cpu()[order].float())
        index.append(torch.full((len(order),), float(i)))
    return dict(img=images, batch_idx=torch.cat(index), cls=torch.cat(classes)[:, None],
                bboxes=torch.cat(boxes), masks=torch.stack(masks))


class Tap:
    """Keeps what a bound method returns, for the time of the comparison."""

    def __init__(self, owner: object, name: str) -> None:
        self.results: list = []
        method = getattr(owner, name)

        def record(*args, **kwargs):
            self.results.append(method(*args, **kwargs))
            return self.results[-1]
        setattr(owner, name, record)


def compare_step(ours: torch.nn.Module, theirs: torch.nn.Module, data: dict, family: str) -> None:
    """One forward and backward pass of each on the same batch."""
    from ultralytics.utils import DEFAULT_CFG
    theirs.args = DEFAULT_CFG
    criterion = theirs.init_criterion()
    ours.train()
    theirs.train()
    data = ours.data_preprocessor(data, training=True)
    images, samples = data['inputs'], data['data_samples']
    batch = peer_batch(images, samples)
    assigned, positives = Tap(ours.mask_head, '_assign'), Tap(criterion.assigner, 'forward')

    losses = ours.loss(images, samples)
    sum(losses.values()).backward()
    raw = theirs(images)
    total, _ = criterion(raw, batch)
    total.sum().backward()

    count = len(images)
    _, _, scores, foreground, _ = positives.results[0]
    found = torch.zeros_like(foreground)
    targets = torch.zeros_like(scores)
    objects = 0
    for i, target in enumerate(assigned.results):
        found[i, target['pos']] = True
        targets[i] = target['scores']
        objects += len(target['gt_inds'].unique())
    their_objects = sum(len(positives.results[0][4][i][foreground[i]].unique())
                        for i in range(count))
    total_objects = len(batch['cls'])
    show('Assignment', ('figure', 'ours', 'theirs'), [
        ('objects', total_objects, total_objects),
        ('objects with a positive', objects, their_objects),
        ('positives', int(found.sum()), int(foreground.sum())),
        ('of these shared', int((found & foreground).sum()), int((found & foreground).sum())),
        ('sum of class targets', targets.sum().item(), scores.sum().item()),
        ('class targets, largest difference', (targets - scores).abs().max().item(), '')])
    names = dict(loss_bbox=0, loss_mask=1, loss_cls=2, loss_dfl=3)
    show('Losses (times the batch size)', ('loss', 'ours', 'theirs'), [
        (name, losses[name].item(), total[i].item()) for name, i in names.items()])

    gradients = {name: value.grad for name, value in theirs.named_parameters()}
    parts: dict[str, list] = {}
    for name, value in ours.named_parameters():
        part = '.'.join(name.split('.')[:2]) if name.startswith('mask_head') else name.split('.')[0]
        parts.setdefault(part, []).append((value.grad.flatten(),
                                           gradients[source_name(name, family)].flatten()))
    rows = []
    for part, pairs in parts.items():
        a, b = (torch.cat(side) for side in zip(*pairs, strict=True))
        rows.append((part, a.norm().item(), b.norm().item(),
                     torch.nn.functional.cosine_similarity(a, b, 0).item()))
    show('Gradients', ('part', 'norm, ours', 'theirs', 'cosine'), rows)

    drawn = sum(float((batch['masks'] > 0)[i].sum()) for i in range(count))
    own = sum(float(sample.gt_instances.masks.resize(batch['masks'].shape[-2:]).to_ndarray()
                    .any(0).sum()) if len(sample.gt_instances) else 0.0 for sample in samples)
    show("Masks' targets", ('figure', 'ours', 'theirs'), [
        ('prototype pixels inside any object', own, drawn)])


def their_learning_rate(settings: SimpleNamespace, step: int, per_epoch: int, bias: bool) -> float:
    """Learning rate of one of their steps, from the settings of their trainer."""
    epoch = step // per_epoch
    scheduled = settings.lr0 * (
        max(1 - epoch / settings.epochs, 0) * (1 - settings.lrf) + settings.lrf)
    steps = round(settings.warmup_epochs * per_epoch)
    start = settings.warmup_bias_lr if bias else 0.0
    return float(np.interp(step, [0, steps], [start, scheduled])) if step <= steps else scheduled


def our_learning_rates(runner: Runner) -> list[tuple[float, float]]:
    """Learning rates of a weight and of a bias at each step, by the config's own schedulers."""
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(runner.param_schedulers)
    hooks = [hook for hook in runner.hooks if type(hook).__name__ == 'BiasWarmupHook']
    for hook in hooks:
        hook.before_train(runner)
    names = {id(p): name for name, p in runner.model.named_parameters()}
    groups = runner.optim_wrapper.param_groups
    weight, bias = (next(group for group in groups
                         if names.get(id(group['params'][0]), '').endswith(end))
                    for end in ('conv.weight', '.bias'))
    rates = []
    for step in range(runner.max_iters):
        runner.train_loop._iter = step
        for hook in hooks:
            hook.before_train_iter(runner, step)
        rates.append((weight['lr'], bias['lr']))
        for hook in hooks:
            hook.after_train_iter(runner, step)
        for scheduler in schedulers:
            scheduler.step()
    return rates


def compare_schedule(runner: Runner, settings: SimpleNamespace, theirs: torch.nn.Module) -> None:
    """Learning rates at some steps, and the averaged weights' memory at the end."""
    from ultralytics.utils.torch_utils import ModelEMA
    rates = our_learning_rates(runner)
    per_epoch, last = len(runner.train_dataloader), len(rates) - 1
    show('Learning rate', ('step', 'weights, ours', 'theirs', 'biases, ours', 'theirs'), [
        (step, rates[step][0], their_learning_rate(settings, step, per_epoch, False),
         rates[step][1], their_learning_rate(settings, step, per_epoch, True))
        for step in sorted({0, per_epoch // 2, per_epoch, 2 * per_epoch, 3 * per_epoch, last // 2,
                            last})])
    hook = next((hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook'), None)
    ours = [0.0] * len(rates)  # without averaging the last step is all
    if hook is not None:
        momentum, gamma = hook.ema_cfg['momentum'], hook.ema_cfg['gamma']
        ours = [(1 - momentum) * (1 - math.exp(-(1 + t) / gamma)) for t in range(len(rates))]
    decay = ModelEMA(theirs).decay
    kept = ours, [decay(t + 1) for t in range(len(rates))]
    show('Averaged weights: what the last steps make up', ('last steps', 'ours', 'theirs'), [
        (steps, *(1 - math.prod(part[-steps:]) for part in kept))
        for steps in (1, 10, per_epoch, 3 * per_epoch)])


def statistics(images: list[np.ndarray], sides: list[np.ndarray]) -> list[float]:
    """Figures of augmented images (H, W, 3) uint8 BGR and of their boxes' sides (n, 2)."""
    import cv2
    hsv = [cv2.cvtColor(image, cv2.COLOR_BGR2HSV) for image in images]
    size = np.sqrt(np.concatenate(sides).prod(1))
    value = np.array([part[..., 2].mean() for part in hsv])
    return [float(np.mean([len(part) for part in sides])), float(np.median(size)),
            float((size < 8).mean()), float((size > 32).mean()), float(value.mean()),
            float(value.std()), float(np.mean([part[..., 2].std() for part in hsv])),
            float(np.mean([part[..., 1].mean() for part in hsv]))]


def compare_augmentation(runner: Runner, data: Path, size: int, samples: int) -> None:
    """Statistics of what both training pipelines deliver, mosaic and all."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset
    info = check_det_dataset(str(data))
    theirs = build_yolo_dataset(get_cfg(overrides=dict(task='segment', imgsz=size)),
                                info['train'], 8, info, mode='train')
    ours = runner.train_dataloader.dataset
    rng = np.random.default_rng(0)
    rows = []
    for dataset, read in ((ours, _our_sample), (theirs, _their_sample)):
        picked = [read(dataset[int(i)]) for i in rng.integers(len(dataset), size=samples)]
        rows.append(statistics(*map(list, zip(*picked, strict=True))))
    names = ('objects per image', "objects' side, median px", 'share under 8 px',
             'share over 32 px', "value, mean over images", 'value, deviation between images',
             'value, deviation inside images', 'saturation, mean')
    show(f'Augmentation, {samples} images', ('figure', 'ours', 'theirs'),
         list(zip(names, *rows, strict=True)))


def _our_sample(sample: dict) -> tuple[np.ndarray, np.ndarray]:
    boxes = sample['data_samples'].gt_instances.bboxes.tensor.numpy()
    return sample['inputs'].numpy().transpose(1, 2, 0), boxes[:, 2:] - boxes[:, :2]


def _their_sample(sample: dict) -> tuple[np.ndarray, np.ndarray]:
    image = sample['img'].numpy().transpose(1, 2, 0)
    sides = sample['bboxes'].numpy()[:, 2:] * np.array(image.shape[1::-1])
    return np.ascontiguousarray(image[..., ::-1]), sides  # RGB there


@reports_user_errors
def main(argv=None) -> int:
    """Run the comparison; returns the exit code described above."""
    args = parse_args(argv)
    try:
        import ultralytics
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.tasks import SegmentationModel
    except ImportError as error:
        raise UserError('ultralytics is not installed here; it is an optional peer under AGPL-3.0: '
                        'install it in an environment of its own that holds this project '
                        '(pip install --no-deps ultralytics)') from error
    compat.setup()
    config = load_config(args.config, args.cfg_options)
    check_data(config, ('train_dataloader',))
    settings = get_cfg(overrides=args.peer_options)
    print(f'ultralytics {ultralytics.__version__}')
    with tempfile.TemporaryDirectory() as scratch:
        config.work_dir = scratch
        config.train_dataloader.num_workers = 0
        config.log_level = 'ERROR'
        runner = Runner.from_cfg(config)
        torch.manual_seed(0)
        theirs = SegmentationModel(args.peer_model, nc=runner.model.mask_head.num_classes,
                                   verbose=False)
        file = Path(scratch) / 'peer.pt'
        torch.save(theirs.state_dict(), file)
        weights = read_weights(file)
        family = family_of(Path(args.peer_model).stem)
        runner.model.init_weights()
        compare_initialisation(runner.model, theirs, family)
        runner.model.load_state_dict(convert(weights, runner.model)[0])
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        compare_step(runner.model, theirs, next(iter(runner.train_dataloader)), family)
        compare_schedule(runner, settings, theirs)
        if args.peer_data:
            compare_augmentation(runner, args.peer_data, config.img_scale[0], args.samples)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
