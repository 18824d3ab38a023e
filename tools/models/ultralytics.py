"""Turn Ultralytics' weights of YOLOv8-seg and YOLO11-seg (n, s) into a checkpoint of this project.

    python tools/models/ultralytics.py yolo11n-seg.pt yolo11n.pth --num-classes 4
    python tools/train.py configs/yolo11/yolo11n-seg_1xb8-300e_peld.py \\
        --partial-weights --cfg-options load_from=yolo11n.pth

Ultralytics' files are pickled models. They are read without Ultralytics and without running
anything that they carry. A plain state dict does as well; where Ultralytics is installed,

    python -c "import torch; from ultralytics import YOLO; \\
        torch.save(YOLO('yolo11n-seg.pt').model.state_dict(), 'plain.pt')"

writes one. It has no class names, and does not tell --sppf. Weights keep their licence:
Ultralytics' own are under AGPL-3.0.
"""
import argparse
import re
from pathlib import Path

from medseg.cli import reports_user_errors
from medseg.engine.checkpoint import save_checkpoint
from medseg.errors import UserError
from projects.baselines.ultralytics_weights import (
    MODELS_KNOWN,
    UltralyticsWeights,
    build_model,
    convert,
    family_of,
    identify,
    read_weights,
)


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('src', type=Path, help='.pt of Ultralytics, or a plain state dict')
    parser.add_argument('out', type=Path, help='checkpoint to write')
    parser.add_argument('--model', choices=('auto', *MODELS_KNOWN), default='auto',
                        help='network that the file must hold (default: recognise it)')
    parser.add_argument('--num-classes', type=int, metavar='N',
                        help='classes of the model to be trained (default: those of the file). '
                        'If they differ, what depends on them in the class branch is left out and '
                        'starts from random numbers')
    parser.add_argument('--sppf', choices=('auto', 'silu', 'linear'), default='auto',
                        help='activation after the first convolution of SPPF. Files of Ultralytics '
                        '8.4.0 and later, until its pull request 26040, have none (linear); the '
                        'published weights have SiLU. Default: what the file says; silu for a '
                        'plain state dict, which does not say it')
    return parser.parse_args(argv)


def linear_sppf(weights: UltralyticsWeights, choice: str) -> bool:
    """Whether SPPF's first convolution has no activation.

    Raises:
        UserError: The choice contradicts the file.
    """
    if choice == 'auto':
        if weights.linear_sppf is None:
            print('note: a plain state dict does not tell SPPF\'s activation; assuming SiLU. '
                  'Give --sppf linear if it was trained with Ultralytics 8.4 without the fix of '
                  'pull request 26040')
        return bool(weights.linear_sppf)
    if weights.linear_sppf not in (None, choice == 'linear'):
        raise UserError(f'{weights.path}: SPPF is {"linear" if weights.linear_sppf else "silu"} '
                        f'in this file, not {choice}; leave --sppf out')
    return choice == 'linear'


@reports_user_errors
def main(argv=None) -> int:
    """Convert; returns the exit code."""
    args = parse_args(argv)
    if args.out.resolve() == args.src.resolve():
        raise UserError(f'{args.out}: would overwrite the source; name another file')
    if args.out.is_dir():
        raise UserError(f'{args.out}: is a folder; name a file, such as {args.out / "model.pth"}')
    if args.num_classes is not None and args.num_classes < 1:
        raise UserError(f'--num-classes {args.num_classes}: must be at least 1')
    weights = read_weights(args.src)
    name = identify(weights)
    if args.model not in ('auto', name):
        raise UserError(f'{args.src}: is {name}, not {args.model}')
    num_classes = args.num_classes or weights.num_classes
    linear = linear_sppf(weights, args.sppf)

    model = build_model(name, num_classes, linear)
    state, left_out = convert(weights, model)
    meta = dict(converted_from=args.src.name, model=name)
    if weights.classes and len(weights.classes) == num_classes == weights.num_classes:
        meta['dataset_meta'] = dict(classes=weights.classes)
    save_checkpoint({'meta': meta, 'state_dict': state}, args.out)

    count = sum(p.numel() for p in model.parameters())
    print(f'{args.out}: {name}, {num_classes} classes, {count:,} parameters, '
          f'{len(state)} tensors')
    if left_out:
        layers = dict.fromkeys(re.sub(r'branches\.\d+', 'branches.*', re.sub(
            r'(\.(conv|bn))?\.\w+$', '', key)) for key in left_out)
        print(f'left out, since the file has {weights.num_classes} classes: '
              f'{len(left_out)} tensors of ' + ', '.join(layers))
    options = [f'load_from={args.out}']
    if num_classes != 4:
        options.append(f'model.mask_head.num_classes={num_classes}')
    if linear:
        options.append('model.backbone.sppf_linear_conv1=True')
    partial = '--partial-weights ' if left_out else ''
    print(f'use: configs/{family_of(name)}/{name}_1xb8-300e_peld.py {partial}--cfg-options '
          + ' '.join(options))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
