"""Predict on an image, a folder or a video.

    python tools/infer.py CONFIG CHECKPOINT IMAGE_OR_FOLDER_OR_VIDEO --out DIR

DIR gets the overlays (for a video: an annotated .mp4) and predictions.json, a list of COCO results:
image_id, file_name, category_id, category_name, bbox (x, y, width, height), score, area and
segmentation (RLE). category_id is that of the annotation file that the model was trained on,
image_id the position of the file or the frame; with --ann FILE both are FILE's, and only the images
that FILE lists are predicted. A file that cannot be read is reported at the end, and the exit code
is then 1. Records go to predictions.jsonl as they come and become predictions.json at the end, also
after Ctrl-C (exit code 130).
"""
from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import DictAction
from rich.console import Console
from rich.progress import track

from medseg.cli import load_config, reports_user_errors
from medseg.data.convert.labelme_writer import CorrectionFiles
from medseg.data.pictures import draw_annotations, write_png
from medseg.engine import compat
from medseg.engine.inference import Predictor
from medseg.errors import printable
from medseg.runtime.coco_results import SCORE_THR, AnnotationIds
from medseg.runtime.files import (
    InputError,
    find_images,
    is_video,
    overlay_paths,
    overlay_trouble,
    record_name,
)
from medseg.runtime.images import ImageError, read_image
from medseg.runtime.interruption import report_stop, stops_cleanly
from medseg.runtime.records import RecordWriter
from medseg.runtime.video import VideoError, VideoReader, VideoWriter


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, plain or fused')
    parser.add_argument('source', type=Path, help='image, folder of images, or video')
    parser.add_argument('--out', type=Path, required=True, help='folder of the results')
    parser.add_argument('--score-thr', type=float, default=SCORE_THR,
                        help=f'keep instances from this score on, 0 to 1 (default: {SCORE_THR})')
    parser.add_argument('--ann', type=Path, metavar='FILE', help='COCO annotation file whose ids '
                        'the records get, so that they can be scored against it')
    parser.add_argument('--labelme', action='store_true', help='also write a LabelMe file beside '
                        'each image that has none, to correct by hand and train on')
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--no-json', action='store_true', help='write no predictions.json')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    args = parser.parse_args(argv)
    if args.labelme and is_video(args.source):
        parser.error('--labelme: is for images, not for videos')
    if not 0 <= args.score_thr <= 1:
        parser.error(f'--score-thr {args.score_thr}: must be between 0 and 1')
    return args


def overlay(image: np.ndarray, instances: list[dict], predictor: Predictor) -> np.ndarray:
    """Draw masks and class names, or filled boxes for models without masks.

    Args:
        image (np.ndarray): BGR, (H, W, 3) uint8.
        instances (list[dict]): What ``predictor`` gave.
        predictor (Predictor): Knows names and colours of the classes.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.
    """
    drawn = []
    for item in instances:
        x, y, w, h = item['bbox']
        box = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        drawn.append({'segmentation': box, **item})
    return draw_annotations(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), drawn,
                            predictor.classes.name_of, colors=predictor.classes.colors)


def predict_images(predictor: Predictor, files: dict[Path, int], root: Path, out: Path,
                   score_thr: float, records: RecordWriter,
                   corrections: CorrectionFiles | None = None) -> list[str]:
    """Predict and draw images, given with their ids; returns a line for each that failed."""
    targets = overlay_paths(list(files), root, out / 'overlays')
    failures = []
    for file in track(files, 'predicting', console=Console(stderr=True)):
        try:
            name, image = record_name(file, root), read_image(file)
        except (InputError, ImageError) as error:
            failures.append(str(error))
            continue
        try:
            instances = predictor(image, score_thr)
        except ImageError as error:
            failures.append(f'{file}: {error}')
            continue
        records.write({'image_id': files[file], 'file_name': name, **item} for item in instances)
        try:
            if corrections is not None:
                corrections.write(file, image.shape[1::-1], instances)
            write_png(targets[file], overlay(image, instances, predictor))
        except OSError as error:
            failures.append(overlay_trouble(file, error))
    return failures


def predict_video(predictor: Predictor, source: Path, out: Path, score_thr: float,
                  records: RecordWriter) -> list[str]:
    """Predict and draw every frame; in the records ``image_id`` is the frame number, from 0.

    Returns:
        list[str]: A line if the video could not be read to its end.

    Raises:
        VideoError: The overlays cannot be written.
    """
    try:
        video = VideoReader(source)
    except VideoError as error:
        return [str(error)]
    with VideoWriter(out / 'overlays' / f'{source.stem}.mp4', video.rate) as writer:
        for number, frame in enumerate(track(
                video, 'predicting', total=video.total or None, console=Console(stderr=True))):
            instances = predictor(frame, score_thr)
            records.write({'image_id': number, 'file_name': source.name, 'frame': number, **item}
                          for item in instances)
            drawing = overlay(frame, instances, predictor)
            writer.write(cv2.cvtColor(drawing, cv2.COLOR_RGB2BGR))
    return video.failures()


@reports_user_errors
def main(argv=None) -> int:
    """Predict; returns 0, 1 when a file could not be read, 2 on wrong input, 130 when stopped."""
    args = parse_args(argv)
    compat.setup()
    source = args.source
    files, root = find_images(source, args.out)
    config = load_config(args.config, args.cfg_options)
    device = args.device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    ids = {file: number for number, file in enumerate(files)}
    annotations = AnnotationIds(args.ann) if args.ann else None
    predictor = Predictor(config, args.checkpoint, device)
    if annotations is not None:
        predictor.classes = replace(
            predictor.classes, category_ids=annotations.category_ids(predictor.classes.names))
        if not is_video(source):
            ids = annotations.select(files, root)
    records = RecordWriter(args.out, keep=not args.no_json)
    corrections = CorrectionFiles() if args.labelme else None
    try:
        with stops_cleanly(), records:
            if is_video(source):
                failures = predict_video(predictor, source, args.out, args.score_thr, records)
                done = '1 video' if not failures else 'a part of the video'
            else:
                failures = predict_images(predictor, ids, root, args.out, args.score_thr,
                                          records, corrections)
                done = f'{len(ids) - len(failures)} of {len(ids)} images'
                if len(ids) < len(files):
                    done += f'; {len(files) - len(ids)} are not in {args.ann}'
    except KeyboardInterrupt:
        return report_stop(records)
    print(f'{args.out}: {records.count} instances on {done}')
    if corrections is not None:
        print(corrections)
    for line in failures:
        print(f'failed: {printable(line)}', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
