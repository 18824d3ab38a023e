"""Check converted weights: same input, same raw outputs as Ultralytics'.

Ultralytics (AGPL-3.0) is an optional peer in an environment of its own, never a dependency. There,
``peers/export_ultralytics_reference.py`` writes weights and raw outputs; this tool converts the
weights as ``tools/models/ultralytics.py`` does and compares the class logits, the box
distributions, the mask coefficients and the prototypes. It prints the largest difference of each,
with the standard deviation of Ultralytics' values behind it. A second row is the fused model
against the plain one, both in double precision: a random network amplifies rounding errors.

  peer/bin/python tools/peers/export_ultralytics_reference.py --out references
  python tools/peers/compare_ultralytics_outputs.py references

Exit code: 0 all within the tolerance, 1 some differ, 2 wrong input.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from medseg.cli import reports_user_errors
from medseg.engine.fuse import fuse_model
from medseg.errors import UserError
from projects.baselines.ultralytics_weights import build_model, convert, identify, read_weights

OUTPUTS = ('cls', 'box', 'coeff', 'proto')


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path,
                        help='folder of NAME.npz with NAME.pt and, perhaps, NAME.plain.pt')
    parser.add_argument('--tolerance', type=float, default=1e-4,
                        help='largest accepted difference (default: 1e-4)')
    parser.add_argument('--linear-sppf', action='store_true',
                        help='the references were exported with --linear-sppf')
    return parser.parse_args(argv)


def converted_model(source: Path, linear_sppf: bool) -> nn.Module:
    """Our model with the weights of a file of Ultralytics, in eval mode.

    Raises:
        CheckpointError: The converter refuses the file.
    """
    weights = read_weights(source)
    model = build_model(identify(weights), weights.num_classes, linear_sppf)
    model.load_state_dict(convert(weights, model)[0])
    return model.eval()


@torch.no_grad()
def raw_outputs(model: nn.Module, image: Tensor) -> dict[str, np.ndarray]:
    """Raw outputs in Ultralytics' layout: levels side by side, (B, C, L), and prototypes."""
    *maps, protos = model._forward(image)[0]
    flat = [torch.cat([level.flatten(2) for level in levels], 2).numpy() for levels in maps]
    return dict(zip(OUTPUTS, [*flat, protos.numpy()], strict=True))


@reports_user_errors
def main(argv=None) -> int:
    """Run the comparison; returns the exit code described above."""
    args = parse_args(argv)
    references = sorted(args.folder.glob('*.npz'))
    if not references:
        raise UserError(f'{args.folder}: holds no NAME.npz; write them with '
                        'tools/peers/export_ultralytics_reference.py')
    table = Table('file', 'form', *(f'{name} (std)' for name in OUTPUTS), 'verdict')
    worst = 0.0
    jobs = [(reference, reference.with_suffix(suffix)) for reference in references
            for suffix in ('.pt', '.plain.pt') if reference.with_suffix(suffix).is_file()]
    if not jobs:
        raise UserError(f'{args.folder}: holds no .pt beside its .npz')
    for reference, source in track(jobs, 'comparing', console=Console(stderr=True)):
        with np.load(reference) as file:
            expected = dict(file)
        model = converted_model(source, args.linear_sppf)
        image = torch.from_numpy(expected['image'])
        for form in ('plain', 'fused'):
            if form == 'fused':
                expected = raw_outputs(model.double(), image.double())
                found = raw_outputs(fuse_model(model), image.double())
            else:
                found = raw_outputs(model, image)
            cells, largest = [], 0.0
            for name in OUTPUTS:
                if found[name].shape != expected[name].shape:
                    raise UserError(f'{reference}: {name} has shape {expected[name].shape}, ours '
                                    f'{found[name].shape}')
                difference = float(np.abs(found[name] - expected[name]).max())
                largest = max(largest, difference)
                cells.append(f'{difference:.1e} ({expected[name].std():.2f})')
            worst = max(worst, largest)
            table.add_row(source.name, form, *cells,
                          'equal' if largest <= args.tolerance else 'DIFFERS')
    Console(width=120).print(table)
    print(f'largest difference {worst:.1e} (tolerance {args.tolerance:.0e})')
    return 0 if worst <= args.tolerance else 1


if __name__ == '__main__':
    raise SystemExit(main())
