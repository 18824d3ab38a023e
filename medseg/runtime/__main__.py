"""Segment an image, the images of a folder, or a video with an exported model.

    python -m medseg.runtime MODEL IMAGE_OR_DIR_OR_VIDEO --out DIR

DIR gets overlays/ and predictions.json, a list of COCO results: image_id, file_name, frame (of a
video), category_id, category_name, bbox (x, y, width, height in pixels), score, area (pixels of
the mask) and segmentation (compressed COCO run lengths). category_id is that of the annotation
file that the model was trained on, image_id the position of the file or the frame; with --ann FILE
both are FILE's, and only the images that FILE lists are segmented. Files that cannot be read are
named at the end and counted; the exit code is then 1. Records go to predictions.jsonl as they come
and become predictions.json at the end, also after Ctrl-C (exit code 130); a kill leaves the lines.
Of a semantic model each record is the whole area of a class, and labels/ gets a label map of each
image or frame as PNG: 0 where no class is, else 1 for the first class, 2 for the second, ...
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError, file_trouble, printable
from medseg.io import write_bytes

from .coco_results import SCORE_THR, AnnotationIds
from .files import (
    InputError,
    find_images,
    is_video,
    overlay_paths,
    overlay_trouble,
    record_name,
)
from .images import ImageError, read_image
from .interruption import report_stop, stops_cleanly
from .model_file import ModelFile
from .opening import open_model
from .records import RecordWriter
from .session import BACKENDS
from .video import VideoError, VideoReader, VideoWriter


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog='python -m medseg.runtime', description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='.onnx or .xml file of tools/deploy.py')
    parser.add_argument('source', type=Path, help='image, folder of images, or video')
    parser.add_argument('--out', type=Path, required=True, help='folder of the results')
    parser.add_argument('--score-thr', type=float, default=SCORE_THR,
                        help=f'keep instances above this score (default: {SCORE_THR})')
    parser.add_argument('--ann', type=Path, metavar='FILE', help='COCO annotation file whose ids '
                        'the records get, so that they can be scored against it')
    parser.add_argument('--backend', choices=('auto', *BACKENDS), default='auto')
    parser.add_argument('--threads', type=int, help='threads of the backend (default: it chooses)')
    parser.add_argument('--no-overlays', action='store_true', help='write predictions.json alone')
    return parser.parse_args(argv)


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write an image, (H, W) or BGR (H, W, 3) uint8."""
    write_bytes(path, cv2.imencode('.png', picture)[1].tobytes())


def progress(text: str) -> None:
    """A line that overwrites itself, where somebody sees it."""
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)


def run_images(segmenter: ModelFile, files: dict[Path, int], root: Path, out: Path,
               overlays: bool, writer: RecordWriter) -> list[str]:
    """Segment images, given with their ids; returns a line for each file that failed."""
    targets = overlay_paths(list(files), root, out / 'overlays')
    failures = []
    for number, (file, image_id) in enumerate(files.items()):
        progress(f'{number + 1}/{len(files)} {file.name}')
        try:
            name, image = record_name(file, root), read_image(file)
        except (InputError, ImageError) as error:
            failures.append(str(error))
            continue
        instances = segmenter(image)
        writer.write(instances.to_coco(image_id=image_id, file_name=name))
        pictures = {out / 'overlays': segmenter.draw(image, instances)} if overlays else {}
        pictures.update((out / folder, picture)
                        for folder, picture in instances.pictures().items())
        try:
            for folder, picture in pictures.items():
                write_png(folder / targets[file].relative_to(out / 'overlays'), picture)
        except OSError as error:
            failures.append(overlay_trouble(file, error))
    progress('')
    return failures


def run_video(segmenter: ModelFile, source: Path, out: Path, overlays: bool, writer: RecordWriter
              ) -> list[str]:
    """Segment a video; returns a line if it could not be read to its end.

    Raises:
        VideoError: The overlays cannot be written; ``--no-overlays`` needs none.
    """
    try:
        video = VideoReader(source)
    except VideoError as error:
        return [str(error)]
    with VideoWriter(out / 'overlays' / f'{source.stem}.mp4', video.rate) as drawn:
        for number, (frame, instances) in enumerate(segmenter.stream(iter(video))):
            writer.write(instances.to_coco(image_id=number, file_name=source.name, frame=number))
            if overlays:
                drawn.write(segmenter.draw(frame, instances))
            for folder, picture in instances.pictures().items():
                write_png(out / folder / source.stem / f'{number:06d}.png', picture)
            progress(f'frame {number + 1}/{video.total}')
    progress('')
    return video.failures()


def main(argv=None) -> int:
    """Run; returns 0, 1 when something could not be read, 2 on wrong input, 130 when stopped."""
    args = parse_args(argv)
    try:
        return run(args)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
    except OSError as error:
        text = file_trouble(error)
        if text is None:
            raise
        print(f'error: {text}', file=sys.stderr)
    return 2


def run(args: argparse.Namespace) -> int:
    """Segment what the arguments name.

    Raises:
        UserError: Wrong input; nothing is written then.
    """
    source = args.source
    files, root = find_images(source, args.out)
    ids = {file: number for number, file in enumerate(files)}
    annotations = AnnotationIds(args.ann) if args.ann else None
    segmenter = open_model(args.model, args.backend, args.threads, args.score_thr)
    if annotations is not None:
        segmenter.category_ids = annotations.category_ids(segmenter.class_names)
        if not is_video(source):
            ids = annotations.select(files, root)
    writer = RecordWriter(args.out)
    try:
        with stops_cleanly(), writer:
            if is_video(source):
                failures = run_video(segmenter, source, args.out, not args.no_overlays, writer)
            else:
                failures = run_images(segmenter, ids, root, args.out, not args.no_overlays,
                                      writer)
    except KeyboardInterrupt:
        return report_stop(writer)
    left_out = f'; {len(files) - len(ids)} are not in {args.ann}' if len(ids) < len(files) else ''
    print(f'{args.out}: {writer.count} instances in {len(ids) - len(failures)} of {len(ids)} '
          f'files{left_out}')
    for line in failures:
        print(f'failed: {printable(line)}', file=sys.stderr)
    if failures:
        print(f'{len(failures)} of {len(ids)} files could not be read', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
