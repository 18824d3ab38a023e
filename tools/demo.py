"""The main job on embedded data: make, convert, split, train, evaluate, draw.

Runs the project's own tools one after the other and prints each command, so that a reader can
repeat any of them. What was made before is not made again; delete the work dir to start over.
"""
from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from medseg.cli import newest, run_tool

CONFIG = 'configs/lmsfa/lmsfa-n_1xb8-demo_synpeld.py'
FIGURES = {'mAP50': 'mAP_50', 'mAP50-95': 'mAP', 'Precision': 'precision', 'AR@100': 'AR@100'}


def print_metrics(metrics: dict) -> None:
    """Table of box and mask figures, in percent."""
    table = Table(title='LMSF-A-n on held-out synthetic patients (%)')
    table.add_column('')
    for figure in FIGURES:
        table.add_column(figure, justify='right')
    for kind, name in (('box', 'bbox'), ('mask', 'segm')):
        table.add_row(kind, *(f'{100 * metrics[f"coco/{name}_{key}"]:.1f}'
                              for key in FIGURES.values()))
    Console().print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'),
                        help='where everything goes (default: work_dirs/demo)')
    parser.add_argument('--patients', type=int, default=48, help='synthetic patients (default: 48)')
    parser.add_argument('--frames', type=int, default=4, help='frames a patient (default: 4)')
    parser.add_argument('--size', default='540x360',
                        help='width and height of the frames (default: 540x360)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the data (default: 0)')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed on to tools/train.py and tools/test.py')
    args = parser.parse_args(argv)

    start = time.time()
    work = args.work_dir.resolve()
    raw, data, train = work / 'labelme', work / 'peld', work / 'train'
    subsets = {name: data / f'annotations/instances_{name}.json'
               for name in ('train', 'val', 'test')}
    run_tool('tools/data/make_synpeld.py', raw, '--patients', str(args.patients),
        '--frames', str(args.frames), '--size', args.size, '--seed', str(args.seed))
    if not all(path.is_file() for path in subsets.values()):
        whole = data / 'annotations/instances_all.json'
        if not whole.is_file():
            run_tool('tools/data/labelme.py', raw, data, '--classes', 'peld')
        run_tool('tools/data/split.py', whole, data)

    options = [f'{loader}_dataloader.{path}data_root={data}/' for loader, path in
               (('train', 'dataset.dataset.'), ('val', 'dataset.'), ('test', 'dataset.'))]
    options += [f'{name}_evaluator.ann_file={subsets[name]}' for name in ('val', 'test')]
    options += args.cfg_options
    run_tool('tools/train.py', CONFIG, '--work-dir', train, '--resume', '--cfg-options', *options)
    checkpoint = newest('best_coco_segm_mAP_epoch_*.pth', train)
    run_tool('tools/test.py', CONFIG, checkpoint, '--work-dir', work / 'test',
        '--cfg-options', *options)
    metrics = json.loads(newest('*/*.json', work / 'test').read_text())

    run_tool('tools/infer.py', CONFIG, checkpoint, data / 'images', '--out', work / 'predictions')
    run_tool('tools/analysis_tools/side_by_side.py', subsets['test'], '--images', data / 'images',
        '--predictions', work / 'predictions/predictions.json', '--out', work / 'overlays',
        '--sheet', work / 'overlays.png')
    print_metrics(metrics)
    Console().print(f'Pictures (input | ground truth | prediction): {work}/overlays, '
                    f'{work}/overlays.png')
    Console().print(f'Took {(time.time() - start) / 60:.1f} minutes.')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
