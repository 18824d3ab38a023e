"""Writes COCO files and images so that an interrupted run leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from medseg.data.coco_rules import name_fault
from medseg.io import write_json

from .conversion_report import ConversionReport
from .geometry import bounding_box
from .images import place_image
from .progress import progress
from .records import UNKNOWN_CLASS, UNSPLIT, ConversionError, Reading, SourceImage

REPORT_NAME = 'conversion_report.json'
DECIMALS = 6


def subset_folder(subset: str) -> str:
    """Folder of a subset's images in the output: ``images`` where there is no split."""
    return 'images' if subset == UNSPLIT else subset


@contextmanager
def staged(out: Path, overwrite: bool, beside: bool = False) -> Iterator[Path]:
    """Directory to write into; moved to ``out`` when the block ends well, else removed.

    Args:
        out: Output directory.
        overwrite: Allow an ``out`` that holds files; those of the same name are replaced, all
            others stay.
        beside: Allow an ``out`` that holds files, but none of the same name.

    Raises:
        ConversionError: ``out`` is a file, or holds what must not be replaced.
    """
    if out.exists() and not out.is_dir():
        raise ConversionError(f'{out}: is a file; give a directory')
    if out.is_dir() and any(out.iterdir()) and not overwrite and not beside:
        raise ConversionError(f'{out}: is not empty; give another directory or pass --overwrite')
    made = [parent for parent in (out, *out.parents) if not parent.exists()]
    out.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix='.partial-', dir=out))
    try:
        yield stage
        # annotation files come last: whoever sees one finds its images complete
        files = [path for path in stage.rglob('*') if path.is_symlink() or not path.is_dir()]
        files.sort(key=lambda path: (path.suffix == '.json', path))
        for path in files:
            target = out / path.relative_to(stage)
            if not overwrite and os.path.lexists(target):
                raise ConversionError(
                    f'{target}: exists; give another directory or pass --overwrite')
        for path in files:
            target = out / path.relative_to(stage)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    except BaseException:
        shutil.rmtree(stage)
        for folder in made:
            if any(folder.iterdir()):
                break
            folder.rmdir()
        raise
    shutil.rmtree(stage)


def coco_dict(images: Sequence[SourceImage], names: Sequence[str]) -> dict[str, Any]:
    """COCO instance annotations.

    Args:
        images: Images of one subset; ids are given in their order, from 1.
        names: Class names; index i becomes category id i + 1.

    Returns:
        ``images``, ``annotations`` and ``categories``; boxes are (x, y, width, height), all
        coordinates in pixels.
    """
    content: dict[str, Any] = {
        'info': {'description': 'converted instance annotations'}, 'licenses': [],
        'images': [], 'annotations': [],
        'categories': [{'id': index, 'name': name, 'supercategory': ''}
                       for index, name in enumerate(names, start=1)]}
    for image_id, image in enumerate(images, start=1):
        content['images'].append({'id': image_id, 'file_name': image.file_name,
                                  'width': image.width, 'height': image.height})
        for instance in image.instances:
            content['annotations'].append({
                'id': len(content['annotations']) + 1,
                'image_id': image_id,
                'category_id': instance.category + 1,
                'segmentation': [[round(float(value), DECIMALS) for value in ring.reshape(-1)]
                                 for ring in instance.polygons],
                'bbox': [round(value, DECIMALS) for value in bounding_box(instance.polygons)],
                'area': round(instance.area, DECIMALS),
                'iscrowd': 0})
    return content


def _refuse_name(reading: Reading) -> None:
    """Takes the image out of a reading whose name no COCO file can hold."""
    image = reading.image
    fault = name_fault(image.file_name) if image is not None else None
    if fault is not None:
        lost = len(image.instances) + reading.merged
        reading.image, reading.merged = None, 0
        reading.skip(image.path or image.file_name, '', *fault, lost)


def convert(readings: Iterable[Reading], names: Sequence[str], report: ConversionReport,
            out: Path, mode: str = 'copy', strict: bool = False, skip_unknown: bool = False,
            overwrite: bool = False, prefixes: dict[str, Path] | None = None, quiet: bool = False
            ) -> None:
    """Reads everything, then writes COCO files, images and the report.

    Args:
        readings: What a reader yields, file by file.
        names: Class names in order.
        report: The account; filled here and nowhere else.
        out: Output directory; gets ``annotations/instances_<subset>.json``, the images and
            ``conversion_report.json``.
        mode: One of ``images.LINK_MODES``.
        strict: A record that cannot be used is an error.
        skip_unknown: A record whose label is no class is listed; otherwise it is an error, since
            its object would become background without anybody having meant it.
        overwrite: Allow an output directory that holds files.
        prefixes: For mode ``none``, the folder of each subset that ``file_name`` starts from.
        quiet: No progress bar.

    Raises:
        ConversionError: strict and something is listed, an unknown class, no image can be used, two
            images would get one name, or the output cannot be written. Nothing is left behind.
    """
    if out.resolve() == report.source.resolve() or (
            report.source.resolve() in out.resolve().parents and mode != 'none'):
        raise ConversionError(
            f'{out}: lies in the source; give a directory outside {report.source}')
    subsets: dict[str, list[SourceImage]] = defaultdict(list)
    taken: dict[tuple[str, str], SourceImage] = {}
    for reading in readings:
        _refuse_name(reading)
        report.add(reading)
        image = reading.image
        if image is None:
            continue
        # file systems that ignore case would write one over the other
        other = taken.setdefault((image.subset, image.file_name.casefold()), image)
        if other is not image:
            raise ConversionError(
                f'{image.path or image.file_name}: would be written over {other.path or "another"} '
                f'as {image.file_name}; rename one of the two')
        subsets[image.subset].append(image)
    report.check_sums()
    if strict and report.skipped:
        raise ConversionError(
            f'{len(report.skipped)} findings and --strict: nothing was written')
    unknown = [item for item in report.skipped if item.kind == UNKNOWN_CLASS]
    if unknown and not skip_unknown:
        raise ConversionError(
            f'{len(unknown)} records have a label that is no class, the first is {unknown[0]}. '
            'Name every class with --classes, rename labels with --aliases, or leave such records '
            'out with --skip-unknown; nothing was written')
    if not subsets:
        raise ConversionError(f'{report.source}: no image can be used; nothing was written')
    with staged(out, overwrite) as stage:
        for subset, members in subsets.items():
            folder = subset_folder(subset)
            name = f'annotations/instances_{subset}.json'
            prefix = str(prefixes[subset]) if mode == 'none' and prefixes else f'{folder}/'
            report.places[subset] = {'annotation_file': name, 'image_prefix': prefix}
            if mode != 'none':
                for image in progress(members, f'images of {subset}', quiet):
                    place_image(image, stage / folder / PurePosixPath(image.file_name), mode)
            write_json(stage / name, coco_dict(members, names))
        write_json(stage / REPORT_NAME, {**report.as_dict(), 'classes': list(names),
                                         'images': mode})
