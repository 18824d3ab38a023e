"""Measure how models bear corrupted images: glare, smoke, blood, blur, noise and more.

    python tools/robustness.py CONFIG CHECKPOINT [CONFIG CHECKPOINT ...] \\
        --ann instances_test.json --images DIR --out work_dirs/robustness

Every corruption at every severity is applied to each image as read, the same way for every model.
OUT gets the predictions of each condition, robustness.json, contact_sheet.jpg and robustness.html,
one offline page with tables, curves, examples and worst cases. Predictions that are there already
are kept: run the same command again to take up an interrupted run, or with more corruptions.
"""
from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from pycocotools.coco import COCO
from rich.progress import Progress

from medseg.benchmark import robustness, robustness_page
from medseg.benchmark.model_lists import pair_up
from medseg.cli import add_table_options, check_table_options, load_config, reports_user_errors
from medseg.data.coco_file import annotation_mask, image_folder
from medseg.data.corruptions import SEVERITIES, SUITES
from medseg.data.generated_folder import claim
from medseg.engine import compat
from medseg.engine.inference import Predictor
from medseg.errors import UserError
from medseg.io import read_json, write_bytes, write_json, write_text
from medseg.metrics.instance_matches import read_truth
from medseg.runtime.coco_results import AnnotationIds
from medseg.runtime.images import read_image
from medseg.tables import fill

# Registers the corruptions of endoscopy.
from projects.lmsfa.datasets.synpeld import corruptions  # noqa: F401

#: Records below this confidence change no figure that is read here.
LOWEST = 0.001


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='CONFIG CHECKPOINT')
    parser.add_argument('--ann', type=Path, required=True, help='COCO file of the test set')
    parser.add_argument('--images', type=Path, help='folder of its images (default: the set\'s)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the results')
    parser.add_argument('--corruptions', nargs='+', default=list(SUITES), metavar='NAME',
                        help='corruptions, or suites: '
                        + '; '.join(f'{suite}: {", ".join(names)}'
                                    for suite, names in SUITES.items()) + ' (default: all)')
    parser.add_argument('--severities', type=int, nargs='+', default=list(SEVERITIES),
                        help='1 to 5 (default: all)')
    parser.add_argument('--reference', metavar='CONFIG', help='show differences from this model')
    parser.add_argument('--seed', type=int, default=0, help='of the corruptions (default: 0)')
    parser.add_argument('--max-dets', type=int, default=100,
                        help='detections per image and class that count (default: 100)')
    parser.add_argument('--resamples', type=int, default=200,
                        help='bootstrap draws (default: %(default)s)')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    add_table_options(parser)
    args = parser.parse_args(argv)
    check_table_options(parser, args)
    return args


def labelled(words: list[str]) -> dict[str, tuple[str, str]]:
    """Config and checkpoint by label.

    Raises:
        UserError: A config without its checkpoint.
    """
    found: dict[str, tuple[str, str]] = {}
    for config, checkpoint in pair_up(words):
        if checkpoint is None:
            raise UserError(f'{config}: needs its checkpoint behind it')
        label = Path(config).stem
        if label in found:
            label = f'{label}, {Path(checkpoint).stem}'
        found[label] = (config, checkpoint)
    return found


def predict_missing(args: argparse.Namespace, label: str, config: str, checkpoint: str,
                    truth: COCO, todo: list, images: Path) -> None:
    """Predict the conditions that have no file yet."""
    if not todo:
        return
    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    predictor = Predictor(load_config(config), checkpoint, device)
    ids = AnnotationIds(args.ann).category_ids(predictor.classes.names)
    predictor.classes = replace(predictor.classes, category_ids=ids)

    def records(image: np.ndarray) -> list[dict]:
        return [{k: item[k] for k in ('category_id', 'bbox', 'score', 'segmentation')}
                for item in predictor(image, LOWEST) if 'segmentation' in item]

    with Progress() as bar:
        task = bar.add_task(label, total=len(todo) * len(truth.imgs))
        for done, total in robustness.predict(records, truth, images, todo, args.seed):
            bar.update(task, completed=done, total=total)


def draw_case(image: np.ndarray, truth: COCO, image_id: int, records: list[dict]) -> np.ndarray:
    """Outlines of the truth in white, of what was found in yellow; BGR."""
    canvas, (height, width) = image.copy(), image.shape[:2]
    thick = max(1, width // 400)
    for source, color in ((truth.imgToAnns[image_id], (255, 255, 255)),
                          ([r for r in records if r['image_id'] == image_id
                            and r['score'] >= robustness.SHOWN], (0, 220, 255))):
        for item in source:
            mask = np.ascontiguousarray(annotation_mask(item, height, width), np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, contours, -1, color, thick, cv2.LINE_AA)
    return cv2.resize(canvas, (380, round(height * 380 / width)), interpolation=cv2.INTER_AREA)


@reports_user_errors
def main(argv=None) -> int:
    """Measure; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    models = labelled(args.models)
    conditions = robustness.conditions(args.corruptions, args.severities)
    truth = read_truth(args.ann, need_masks=True)
    if not truth.imgs:
        raise UserError(f'{args.ann}: holds no image')
    images = args.images or image_folder(args.ann)
    reference = Path(args.reference).stem if args.reference else None
    if reference is not None and reference not in models:
        raise UserError(f'--reference {args.reference}: is none of {", ".join(models)}')
    scores, files = [], {}
    for label, (config, checkpoint) in models.items():
        folder = args.out / 'predictions' / label.replace(', ', '--')
        try:
            claim(folder, 'settings.json', dict(
                config=config, checkpoint=str(Path(checkpoint).resolve()), seed=args.seed,
                annotations=str(args.ann.resolve())), overwrite=False)
        except FileExistsError as error:
            raise UserError(str(error)) from error
        files[label] = {c.name: folder / f'{c.name}.json' for c in conditions}
        todo = [(c, files[label][c.name]) for c in conditions if not files[label][c.name].exists()]
        predict_missing(args, label, config, checkpoint, truth, todo, images)
        scores.append(robustness.score(label, truth, files[label], args.max_dets, args.resamples))
        print(f'{label}: scored under {len(conditions)} conditions', file=sys.stderr)
    summary = robustness.summarise(scores, conditions, reference)
    severities = sorted(set(args.severities))
    write_json(args.out / 'robustness.json', dict(summary, severities=severities, seed=args.seed,
                                                  annotations=str(args.ann)), indent=1)
    ids = sorted(truth.imgs)
    name = str(truth.imgs[ids[0]]['file_name'])
    sample = read_image(images / name)
    hard = {c.corruption: [] for c in conditions if c.severity}
    for c in conditions:
        if c.severity:
            hard[c.corruption].append(robustness.corrupted(sample, c, name, args.seed))
    sheet = robustness_page.contact_sheet(hard, severities)
    ok, data = cv2.imencode('.jpg', sheet)
    assert ok, 'OpenCV could not encode a JPEG'
    write_bytes(args.out / 'contact_sheet.jpg', data.tobytes())
    cases = []
    for model in scores:
        for index, condition, clean, found in robustness.worst_cases(model, conditions, 9):
            name = str(truth.imgs[ids[index]]['file_name'])
            image = robustness.corrupted(read_image(images / name), condition, name, args.seed)
            picture = draw_case(image, truth, ids[index],
                                read_json(files[model.label][condition.name]))
            cases.append(dict(model=model.label, name=name, condition=condition.name, clean=clean,
                              found=found, picture=robustness_page.jpeg(picture)))
    write_text(args.out / 'robustness.html', robustness_page.page(
        summary, severities, len(ids), sheet, cases))
    text = robustness_page.table(summary)
    print(text)
    print(f'{args.out / "robustness.html"}')
    if args.docs:
        fill(args.docs, args.table, text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
