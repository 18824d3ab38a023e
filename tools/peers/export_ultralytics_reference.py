"""Write models of Ultralytics and their raw outputs. Runs in Ultralytics' own environment.

For each model: ``NAME.pt`` as its training writes it, ``NAME.plain.pt`` (state dict), and
``NAME.npz`` with the input and the raw outputs, for ``compare_ultralytics_outputs.py``. Without
weights the models start from random numbers, BatchNorm statistics included; a .pt is taken as is.

With --golden: one small file for the tests instead, of the names and shapes of all tensors and the
raw outputs for weights that are made from those names (``weights_from_names``). With
--golden-assignment: which locations its assigner makes positive, for two hand-sized images.
"""
import argparse
import json
import math
import zlib
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

MODELS = ('yolov8n-seg.yaml', 'yolov8s-seg.yaml', 'yolo11n-seg.yaml', 'yolo11s-seg.yaml')


@torch.no_grad()
def randomise(model: torch.nn.Module, image: torch.Tensor) -> None:
    """Weights and statistics that a converter cannot mix up or ignore unnoticed.

    The statistics are those of the activations on ``image``: with arbitrary ones the signal would
    fade or grow on its way, and the outputs would tell of the last layers only.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.7, 1.4)
        torch.nn.init.normal_(norm.bias, std=0.3)
        norm.momentum = 1.0  # keep the statistics of the last batch only
    model.train()
    model(image)
    for norm in norms:
        norm.momentum = 0.03


def random_images(count: int, size: tuple[int, int]) -> torch.Tensor:
    """Blobs of random colours, (count, 3, H, W) in 0..1; plain noise averages out in a network."""
    coarse = torch.rand(count, 3, size[0] // 16, size[1] // 16)
    smooth = torch.nn.functional.interpolate(coarse, size=tuple(size), mode='bicubic')
    return (smooth + 0.1 * torch.randn_like(smooth)).clamp(0, 1)


def weights_from_names(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Random tensors that follow from their names and shapes alone, on any machine.

    They keep the signal's size about constant from layer to layer.
    """
    state = {}
    for name, shape in shapes.items():
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        if name.endswith('num_batches_tracked'):
            value = np.array(rng.randint(1, 100))
        elif name.endswith('dfl.conv.weight'):
            value = np.arange(shape[1], dtype=np.float32).reshape(shape)
        elif name.endswith('running_var'):
            value = rng.uniform(0.7, 1.3, shape)
        elif name.endswith('bn.weight'):
            value = rng.uniform(0.7, 1.3, shape)
        elif len(shape) == 1:
            value = 0.2 * rng.standard_normal(shape)
        else:
            value = rng.standard_normal(shape) * 1.5 / math.sqrt(math.prod(shape[1:]))
        dtype = np.int64 if name.endswith('num_batches_tracked') else np.float32
        state[name] = torch.from_numpy(np.asarray(value, dtype=dtype))
    return state


def raw_outputs(model: torch.nn.Module, image: torch.Tensor) -> dict[str, np.ndarray]:
    """Class logits, box distributions and coefficients (B, C, L), prototypes (B, C, H, W)."""
    with torch.no_grad():
        raw = model.eval()(image)[1]
    return dict(cls=raw['scores'].numpy(), box=raw['boxes'].numpy(),
                coeff=raw['mask_coefficient'].numpy(), proto=raw['proto'].numpy())


def write_golden(path: Path) -> None:
    """The file of the tests: four classes, one image of 64x32 pixels."""
    from ultralytics.nn.tasks import SegmentationModel
    torch.manual_seed(0)
    image = random_images(1, (64, 32))
    content = dict(image=image.numpy())
    for name in MODELS:
        model = SegmentationModel(name, nc=4, verbose=False)
        shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict(weights_from_names(shapes))
        stem = name.removesuffix('.yaml')
        names = zlib.compress(json.dumps(shapes).encode(), 9)
        content[f'{stem}/shapes'] = np.frombuffer(names, dtype=np.uint8)
        for key, value in raw_outputs(model, image).items():
            content[f'{stem}/{key}'] = value
            print(f'{stem}/{key}: standard deviation {value.std():.2f}')
    np.savez_compressed(path, **content)


def write_golden_assignment(path: Path) -> None:
    """Positives of two images of 64x64 pixels with 12 and 7 objects of two classes."""
    from ultralytics.utils.tal import TaskAlignedAssigner
    rng = np.random.default_rng(0)
    strides, size, counts = (8, 16, 32), 64, (12, 7)
    points = np.concatenate([np.stack(np.meshgrid(*[np.arange(s / 2, size, s)] * 2), -1).reshape(
        -1, 2) for s in strides]).astype(np.float32)
    boxes = np.zeros((2, max(counts), 4), np.float32)
    predicted = np.zeros((2, len(points), 4), np.float32)
    for image, count in enumerate(counts):
        corner = rng.uniform(0, 48, (count, 2))
        boxes[image, :count] = np.hstack([corner, corner + rng.uniform(3, 40, (count, 2))])
        # Wide boxes: every candidate overlaps every object, so that no alignment is 0.
        predicted[image] = np.hstack([points - rng.uniform(40, 70, points.shape),
                                      points + rng.uniform(40, 70, points.shape)])
        own = rng.integers(count, size=len(points) // 2)
        predicted[image, ::2][:len(own)] = boxes[image, own] + rng.uniform(-4, 4, (len(own), 4))
    scores = rng.uniform(0.01, 0.9, (2, len(points), 2)).astype(np.float32)
    labels = rng.integers(2, size=boxes.shape[:2])
    valid = np.arange(max(counts)) < np.array(counts)[:, None]
    assigner = TaskAlignedAssigner(topk=10, num_classes=2, alpha=0.5, beta=6.0, stride=[*strides])
    _, _, target, positive, owner = assigner(*map(torch.from_numpy, (
        scores, predicted, points, labels[..., None], boxes, valid[..., None])))
    np.savez_compressed(
        path, points=points, boxes=boxes, predicted=predicted, scores=scores, labels=labels,
        counts=np.array(counts), positive=positive.numpy(), owner=owner.numpy(),
        target=target.numpy())
    print(f'{path}: {int(positive.sum())} positives')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('models', nargs='*', default=MODELS, help='.yaml or .pt of Ultralytics')
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument('--out', type=Path, help='folder to write to')
    target.add_argument('--golden', type=Path, metavar='NPZ', help='file of the tests to write')
    target.add_argument('--golden-assignment', type=Path, metavar='NPZ',
                        help='file of the assigner\'s test to write')
    parser.add_argument('--num-classes', type=int, default=80, help='of a model from .yaml')
    parser.add_argument('--size', type=int, nargs=2, default=(160, 224), metavar=('H', 'W'))
    parser.add_argument('--half', action='store_true',
                        help='store half precision, as Ultralytics does after training')
    parser.add_argument('--linear-sppf', action='store_true',
                        help='no activation after the first convolution of SPPF, as releases '
                        'before its pull request 26040 build it')
    args = parser.parse_args()

    if args.golden:
        write_golden(args.golden)
        return 0
    if args.golden_assignment:
        write_golden_assignment(args.golden_assignment)
        return 0
    import ultralytics
    from ultralytics import YOLO
    args.out.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(args.models):
        torch.manual_seed(seed)
        image = random_images(2, args.size)
        if name.endswith('.pt'):
            model = YOLO(name).model
        else:
            from ultralytics.nn.tasks import SegmentationModel
            model = SegmentationModel(name, nc=args.num_classes, verbose=False)
            model.names = {i: f'class {i}' for i in range(args.num_classes)}
            if args.linear_sppf:
                model.model[9].cv1.act = torch.nn.Identity()
            randomise(model, image)
        if args.half:
            model.half().float()  # the outputs are those of the stored numbers
        model.float().eval()
        stem = args.out / Path(name).stem
        stored = deepcopy(model)
        if args.half:
            stored.half()
        torch.save(dict(epoch=-1, best_fitness=None, model=stored, ema=None, optimizer=None,
                        train_args={}, version=ultralytics.__version__), f'{stem}.pt')
        torch.save(model.state_dict(), f'{stem}.plain.pt')
        np.savez(f'{stem}.npz', image=image.numpy(), **raw_outputs(model, image))
        count = sum(p.numel() for p in model.parameters())
        print(f'{stem}: {count:,} parameters (ultralytics {ultralytics.__version__})')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
