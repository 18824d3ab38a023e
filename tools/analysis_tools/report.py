"""Where a model errs: one offline HTML page per model, all numbers in a JSON file beside it.

    python tools/analysis_tools/report.py work_dirs/test/predictions --ann instances_test.json \\
        --images data/peld/images --out work_dirs/errors
    python tools/analysis_tools/report.py "LMSF-A=a/predictions" --ann instances_test.json \\
        --out work_dirs/errors --latency work_dirs/b/report.json --score-thr 0.3

Predictions are what tools/test.py writes with --cfg-options
test_evaluator.outfile_prefix=PREFIX: give PREFIX, or any file of COCO results. The page tells what
the missing average precision consists of (TIDE), which class is taken for which, what a score is
worth, where the model works and where not, what is left at which threshold, and shows the worst
images. Of several models it also writes comparison.html: differences from the first with intervals,
and the images that tell them apart. Definitions are in docs/errors.md.
"""
from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pycocotools.coco import COCO

from medseg.benchmark.error_report import comparison, predictions, worst
from medseg.benchmark.error_report.collect import Found, Settings, brightness, collect
from medseg.benchmark.error_report.page import page
from medseg.benchmark.error_report.speed import read_speed
from medseg.benchmark.robustness_page import jpeg
from medseg.cli import reports_user_errors
from medseg.data.coco_file import image_folder
from medseg.errors import UserError
from medseg.io import write_json, write_text
from medseg.metrics.instance_matches import read_truth

COMPARISON = 'comparison'
DIFFERING = 10
"""Images that two models are shown to differ on."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', nargs='+', metavar='[LABEL=]PREDICTIONS',
                        help='PREFIX of PREFIX.segm.json and PREFIX.bbox.json, or a file')
    parser.add_argument('--ann', type=Path, required=True, help='annotation file of the test set')
    parser.add_argument('--images', type=Path,
                        help='folder of its images (default: beside the annotation file)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the pages')
    parser.add_argument('--score-thr', type=float, help='confusion, recall, Dice and pictures from '
                        'this score on (default: the best F1 on this set)')
    parser.add_argument('--iou-thr', type=float, default=0.5,
                        help='of the confusion matrix (default: %(default)s)')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='detections per image and class that count (default: %(default)s)')
    parser.add_argument('--resamples', type=int, default=200,
                        help='bootstrap draws (default: %(default)s)')
    parser.add_argument('--worst', type=int, default=30,
                        help='images to show (default: %(default)s)')
    parser.add_argument('--latency', type=Path, metavar='FILE',
                        help='report.json of tools/benchmark.py, or --json of '
                        'tools/benchmark_latency.py')
    args = parser.parse_args(argv)
    for name, low, high in (('score_thr', 0, 1), ('iou_thr', 0.01, 1)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            parser.error(f'--{name.replace("_", "-")} {value}: must be from {low} to {high}')
    for name, low in (('max_dets', 1), ('resamples', 0), ('worst', 0)):
        if getattr(args, name) < low:
            parser.error(f'--{name.replace("_", "-")} {getattr(args, name)}: must be at least '
                         f'{low}')
    return args


def models(words: Sequence[str]) -> list[predictions.Files]:
    """The predictions that the words name.

    Raises:
        UserError: There is no such file, or two models have one name.
    """
    found = []
    for word in words:
        label, mark, path = word.partition('=')
        named = mark and label and not Path(word).exists()
        found.append(predictions.find(Path(path), label) if named
                     else predictions.find(Path(word)))
    names = [COMPARISON] * (len(found) > 1) + [file_name(files.label) for files in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f'two predictions are called {twice}; name them: LABEL=PREDICTIONS')
    return found


def file_name(label: str) -> str:
    """A model's name as that of a file."""
    return re.sub(r'[^\w.+-]+', '_', label).strip('._') or 'model'


def pictures(found: Found, truth: COCO, images: Path, chosen: Sequence) -> list[str]:
    """Truth and prediction of the images with these ids as JPEG, base64."""
    names = {c: truth.cats[c]['name'] for c in sorted(truth.cats)}
    by_image = defaultdict(list)
    for record in found.records:
        by_image[record['image_id']].append(record)
    return [jpeg(worst.side_by_side(worst.pixels(images, truth.imgs[i]), truth.imgToAnns[i],
                                    by_image[i], names)) for i in chosen]


def comparison_page(models: Sequence[Found], truth: COCO, images: Path) -> str:
    """The page of several models."""
    first, last = models[0].document, models[-1].document
    places = comparison.differing(first, last, DIFFERING)
    ids = [sorted(truth.imgs)[place] for place in places]
    drawn = [pictures(model, truth, images, ids) for model in models]
    return comparison.page(models, [dict(name=truth.imgs[i]['file_name'], pictures=[
        dict(label=model.document['label'], quality=model.document['quality'][place],
             jpeg=shots[number]) for model, shots in zip(models, drawn, strict=True)])
        for number, (i, place) in enumerate(zip(ids, places, strict=True))])


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages; returns the exit code."""
    args = parse_args(argv)
    files = models(args.predictions)
    truth = read_truth(args.ann, need_masks=any('segm' in f.paths for f in files))
    if not truth.imgs:
        raise UserError(f'{args.ann}: holds no image')
    images = args.images or image_folder(args.ann)
    speeds = [read_speed(args.latency, f.label) if args.latency else None for f in files]
    light = brightness(truth, images)
    settings = Settings(args.score_thr, args.iou_thr, args.max_dets, args.resamples, args.worst)
    done = []
    for model, speed in zip(files, speeds, strict=True):
        found = collect(model, truth, light, settings,
                        report=lambda text: print(text, file=sys.stderr, flush=True))
        found.document.update(annotations=str(args.ann), speed=speed)
        path = args.out / file_name(model.label)
        write_json(path.with_name(f'{path.name}.json'), found.document, indent=1)
        write_text(path.with_name(f'{path.name}.html'),
                   page(found.document, pictures(found, truth, images, [
                       shot['image_id'] for shot in found.document['worst']])))
        print(path.with_name(f'{path.name}.html'))
        done.append(found)
    if len(done) > 1:
        write_json(args.out / f'{COMPARISON}.json', comparison.compare(done), indent=1)
        write_text(args.out / f'{COMPARISON}.html', comparison_page(done, truth, images))
        print(args.out / f'{COMPARISON}.html')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
