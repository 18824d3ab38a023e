"""Compare models on one test set, with intervals of their figures and of their differences.

    python tools/analysis_tools/compare_predictions.py --results work_dirs/synpeld/results.json \\
        --reference lmsfa-n_base_1xb8-300e_peld --docs docs/results.md --table synpeld
    python tools/analysis_tools/compare_predictions.py --ann instances_test.json \\
        --run "Mask R-CNN=a/predictions" --run "LMSF-A=b/predictions" --reference "Mask R-CNN" \\
        --test

Box and mask AP, boundary AP and NSD (docs/metrics.md), resampling patients where the annotation
file tells them. An interval of a difference that leaves out 0 says that another draw of patients
would hardly turn the order round; it says nothing about another seed of the training. --test adds p
values: the two models' predictions change places patient by patient, seeds of a model together,
with Holm's correction over all tests of the call. Give runs of several seeds the same label.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from medseg.benchmark.paired_comparison import (
    Predictions,
    compare,
    kind_table,
    table,
    trained_runs,
)
from medseg.benchmark.significance import (
    DEFAULT,
    HEADINGS,
    significance,
    significance_table,
)
from medseg.cli import add_table_options, check_table_options, reports_user_errors
from medseg.data.coco_file import image_folder
from medseg.data.image_types import image_types
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.metrics.bootstrap import RESAMPLES
from medseg.metrics.permutation import PERMUTATIONS
from medseg.tables import fill


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--results', type=Path, nargs='+', default=[], metavar='FILE',
                        help='results.json of tools/benchmark.py --train: all finished runs')
    parser.add_argument('--only', nargs='+', metavar='NAME',
                        help='of --results: these configs alone, in this order')
    parser.add_argument('--run', action='append', default=[], metavar='LABEL=PREFIX',
                        help='PREFIX.bbox.json and PREFIX.segm.json of InstanceMetric')
    parser.add_argument('--ann', type=Path, help='annotation file of --run')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='of --run: detections per image and class that count (default: 100)')
    parser.add_argument('--reference', metavar='NAME', help='show differences from this model')
    parser.add_argument('--test', nargs='*', metavar='FIGURE', choices=HEADINGS,
                        help='test the differences from --reference: '
                        f'{", ".join(HEADINGS)} (default: {", ".join(DEFAULT)}; choose before '
                        'looking)')
    parser.add_argument('--permutations', type=int, default=PERMUTATIONS, help='of --test: '
                        'random exchanges where there are more than so many (default: '
                        '%(default)s)')
    parser.add_argument('--by-type', action='store_true', help='also by type of image, told by '
                        'colour, background and size as docs/metrics.md says (mixed sets such as '
                        'DSB2018)')
    parser.add_argument('--images', type=Path, help="of --by-type: the set's image folder "
                        '(default: that beside the annotation file)')
    parser.add_argument('--title', action='append', default=[], metavar='NAME=TITLE',
                        help='what to call a model in the table')
    parser.add_argument('--tolerance', type=float, default=3, help='of NSD, pixels (default: 3)')
    parser.add_argument('--resamples', type=int, default=RESAMPLES,
                        help=f'bootstrap draws (default: {RESAMPLES})')
    parser.add_argument('--json', type=Path, help='write everything to this file')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    if args.test is not None and not args.reference:
        parser.error('--test needs --reference: the model to compare with')
    if args.permutations < 1:
        parser.error('--permutations must be at least 1')
    if args.run and not args.ann:
        parser.error('--run needs --ann')
    if not args.run and not args.results:
        parser.error('nothing to compare: give --results or --run')
    return args


def collect(args: argparse.Namespace) -> list[Predictions]:
    """The models that the arguments name.

    Raises:
        UserError: A name is unknown or not of the form that is asked for.
    """
    found = [model for path in args.results for model in trained_runs(path)]
    if args.only:
        by_label = {model.label: model for model in found}
        missing = [name for name in args.only if name not in by_label]
        if missing:
            raise UserError(f'no finished run of {", ".join(missing)}; there are: '
                            f'{", ".join(by_label)}')
        found = [by_label[name] for name in args.only]
    runs = _pairs('--run', args.run)
    labels = [label for label, _ in runs]
    for number, (label, prefix) in enumerate(runs):
        several = labels.count(label) > 1
        shown = f'{label}, seed {labels[:number].count(label)}' if several else label
        found.append(Predictions(shown, args.ann, Path(prefix), args.max_dets, model=label))
    return found


def _pairs(option: str, values: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [tuple(value.split('=', 1)) for value in values]
    for value, pair in zip(values, pairs, strict=True):
        if len(pair) != 2 or not all(pair):
            raise UserError(f'{option} {value}: must be of the form NAME=VALUE')
    return pairs


def types_of(models: Sequence[Predictions], folder: Path | None) -> list[str]:
    """Type of each image of the test set, by rising id.

    Raises:
        UserError: There is no model, or an image is missing.
    """
    if not models:
        raise UserError('there is no finished run to compare')
    ann = models[0].ann_file
    images = sorted(read_json(ann)['images'], key=lambda image: image['id'])
    return image_types(images, folder or image_folder(ann))


def say(line: str) -> None:
    """Tell the user on stderr how it goes."""
    print(line, file=sys.stderr, flush=True)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    args = parse_args(argv)
    models = collect(args)
    families = {model.label: model.family for model in models}
    # a model of several seeds is none of the rows; it is compared by --test alone
    of_seeds = args.test is not None and args.reference in families.values()
    reference = None if of_seeds and args.reference not in families else args.reference
    comparison = compare(models, reference, args.tolerance, args.resamples, say,
                         types_of(models, args.images) if args.by_type else None)
    titles = dict(_pairs('--title', args.title))
    if args.test is not None:
        comparison['test'] = significance(
            models, families.get(args.reference, args.reference), args.test or DEFAULT,
            args.permutations, args.resamples, args.tolerance, report=say)
    if args.json:
        write_json(args.json, comparison)
    for row in comparison['rows']:
        row['label'] = titles.get(row['label'], row['label'])
    if reference:
        comparison['reference'] = titles.get(reference, reference)
    text = table(comparison)
    if args.test is not None:
        tests = comparison['test']
        for row in (tests, *tests['rows']):
            key = 'reference' if row is tests else 'label'
            row[key] = titles.get(row[key], row[key])
        text += f'\n\n{significance_table(tests)}'
    if args.by_type:
        text += f'\n\n{kind_table(comparison)}'
    if args.docs:
        fill(args.docs, args.table, text)
    print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
