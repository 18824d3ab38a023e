"""What each clean-up option of the live view does to mask AP.

    python tools/analysis_tools/cleanup_ap.py MODEL ANN_FILE IMAGES

Scores the same predictions of an exported model with each option alone and with all of them. Masks
are scored at the image's own size, down to the score threshold of the metadata.
"""
from __future__ import annotations

import argparse
import contextlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.progress import track

from medseg.cli import reports_user_errors
from medseg.runtime import Segmenter
from medseg.runtime.cleanup import FOR_VIEWERS, CleanUp, clean
from medseg.runtime.images import read_image
from medseg.tables import fill, markdown

#: Instances of an image that count, as in the project's other figures.
MAX_DETS = 300


def variants() -> dict[str, CleanUp]:
    """Nothing, each option alone as viewers have it, all of them."""
    alone = {name: replace(CleanUp(), **{name: value}) for name, value in
             vars(FOR_VIEWERS).items()}
    return {'nothing': CleanUp(),
            **{f'{name} = {getattr(option, name):g}': option for name, option in alone.items()},
            'all': FOR_VIEWERS}


def mask_ap(truth: COCO, results: list[dict]) -> tuple[float, float]:
    """Mask AP and AP50, 0 to 1."""
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        scores = COCOeval(truth, truth.loadRes(results), 'segm')
        scores.params.maxDets = [1, 100, MAX_DETS]
        scores.evaluate()
        scores.accumulate()
    precision = scores.eval['precision'][:, :, :, 0, -1]

    def mean(values: np.ndarray) -> float:
        return float(values[values > -1].mean())

    return mean(precision), mean(precision[0])


def measure(segmenter: Segmenter, truth: COCO, images: Path) -> dict[str, tuple[float, float]]:
    """Mask AP and AP50 of each of :func:`variants`."""
    ids = {item['name']: item['id'] for item in truth.dataset['categories']}
    segmenter.category_ids = [ids[name] for name in segmenter.class_names]
    options, results = variants(), {name: [] for name in variants()}
    for item in track(truth.dataset['images'], 'segmenting'):
        image = read_image(images / item['file_name'])
        found = {}
        for name, option in options.items():
            if option.beyond_box not in found:
                segmenter.postprocess.beyond_box = option.beyond_box
                found[option.beyond_box] = segmenter(image)
            raw = found[option.beyond_box]
            tidied = clean(replace(raw, masks=raw.masks.copy()), option)
            results[name] += tidied.to_coco(image_id=item['id'])
    return {name: mask_ap(truth, entries) for name, entries in results.items()}


@reports_user_errors
def main(argv=None) -> int:
    """Measure and print; returns 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='exported file, raw')
    parser.add_argument('ann_file', type=Path, help='COCO annotations')
    parser.add_argument('images', type=Path, help='folder of their images')
    parser.add_argument('--docs', type=Path, help='document whose table is filled')
    parser.add_argument('--table', default='cleanup-ap', help='name of the table there')
    args = parser.parse_args(argv)
    segmenter = Segmenter(args.model, threads=1)
    segmenter.score_thr = segmenter.metadata['score_thr']
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(args.ann_file))
    results = measure(segmenter, truth, args.images)
    base = results['nothing']
    table = markdown(['option', 'mask AP', 'mask AP50', 'change of AP, points'], [
        [name, f'{100 * ap:.2f}', f'{100 * ap50:.2f}', f'{100 * (ap - base[0]):+.2f}']
        for name, (ap, ap50) in results.items()])
    print(table)
    if args.docs:
        fill(args.docs, args.table, table)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
