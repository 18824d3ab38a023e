"""Fuse the predictions of several models, seeds or folds on one test set.

    python tools/analysis_tools/ensemble.py --ann instances_all.json --out fused/predictions \\
        --run fold1/predictions --run fold2/predictions --run fold3/predictions

A run is the prefix of PREFIX.segm.json, as InstanceMetric writes it (outfile_prefix). Boxes of one
class that overlap are one object: its score is the mean over all models (0 where one missed it),
its box and mask are means weighted by the scores. OUT.bbox.json and OUT.segm.json are COCO results,
for tools/analysis_tools/compare_predictions.py. Fuse models of different folds on images that none
of them was trained on.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from medseg.benchmark.ensemble import IOU, fuse_files
from medseg.cli import reports_user_errors
from medseg.metrics.instance_matches import read_truth


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ann', type=Path, required=True, help='annotation file of the images')
    parser.add_argument('--run', type=Path, action='append', required=True, metavar='PREFIX',
                        help='predictions of one model; give at least two')
    parser.add_argument('--out', type=Path, required=True, metavar='PREFIX')
    parser.add_argument('--iou', type=float, default=IOU,
                        help='boxes that overlap more are one object (default: %(default)s)')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='most objects per image (default: %(default)s)')
    args = parser.parse_args(argv)
    if len(args.run) < 2:
        parser.error('one model is no ensemble: give --run twice or more')
    if not 0 < args.iou < 1 or args.max_dets < 1:
        parser.error('--iou must lie between 0 and 1, --max-dets must be at least 1')
    return args


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Fuse; returns the exit code."""
    args = parse_args(argv)
    coco = read_truth(args.ann, need_masks=True)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task('fusing', total=len(coco.imgs))
        fuse_files(coco, args.run, args.out, args.iou, args.max_dets,
                   lambda done, total: bar.update(task, completed=done, total=total))
    print(f'{len(args.run)} models fused on {len(coco.imgs)} images: {args.out}.segm.json')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
