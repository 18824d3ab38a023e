"""Any COCO or YOLO data set as the data config that a training takes (``train.py --data``).

Annotation files of other tools differ in layout, in category ids and in what they leave out. They
are read once, put right, counted, and written in one form into the work dir, so that everything
later (training, test, deployment) reads plain files and needs no flag more. Images stay where they
are; image and category ids stay the file's own.
"""
from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from PIL import ExifTags, Image

from medseg.errors import UserError, printable
from medseg.io import write_json
from medseg.runtime.palette import class_colors
from medseg.tables import plain

from .coco_file import SUBSETS, class_table
from .coco_rules import left_out_line, usable_content
from .convert.classes import load_class_names
from .convert.conversion_report import ConversionReport
from .convert.records import UNSPLIT, ConversionError
from .convert.writer import convert
from .convert.yolo_layout import class_file, is_yolo
from .convert.yolo_seg_reader import read_yolo_seg
from .grouping import UnclearPatients, find_grouping
from .layouts import CocoPart, load_parts
from .splitting import image_sizes, split_content, subset_sizes

RATIOS = (8, 1, 1)
IMPORTS = ['medseg.data.named_coco', 'medseg.data.transforms', 'medseg.metrics']


@dataclass
class Notes:
    """What was put right or left out, counted by kind, with the first of each."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, example: str) -> None:
        """Count one record."""
        self.counts[kind] += 1
        self.first.setdefault(kind, example)

    def text(self) -> list[str]:
        """A line for each kind."""
        return self.lines + [f'left out: {count} x {kind}; the first: {self.first[kind]}'
                             for kind, count in self.counts.items()]


@dataclass
class OwnData:
    """A prepared data set.

    Attributes:
        config (Config): Its data config, for :func:`medseg.configs.set_data`.
        classes (tuple[str, ...]): Names in the order of the labels.
        report (str): What it holds and what was left out, a few lines.
    """

    config: Config
    classes: tuple[str, ...]
    report: str


def prepare(source: Path, out: Path, wanted: Sequence[str] | None = None, split: bool = False,
            quiet: bool = False) -> OwnData:
    """Read a data set and write its annotations in one form.

    Args:
        source (Path): A folder with COCO files in any usual layout, a COCO file, an Ultralytics
            ``data.yaml`` or a folder with one.
        out (Path): Gets ``annotations/instances_{train,val,test}.json`` (and, from YOLO labels,
            ``yolo/`` with what they were converted to).
        wanted (Sequence[str], optional): The classes and their order; default: every category
            that has objects, in the order of the file.
        split (bool): Divide a set of one file 8:1:1, by patient where file names tell it.
        quiet (bool): No progress bars.

    Raises:
        ConversionError: The set cannot be used; the message says what to do.
    """
    notes = Notes()
    if is_yolo(source):
        source = from_yolo(source, out / 'yolo', notes, quiet)
    parts = load_parts(source)
    parts = {subset: _cleaned(part, notes) for subset, part in parts.items()}
    if set(parts) == {UNSPLIT} or set(parts) == {'train'}:
        parts = _split(source, next(iter(parts.values())), split, notes)
    parts = _complete(source, parts, notes)
    names = _choose_classes(source, parts, wanted, notes)
    contents = {subset: _with_classes(part, names, parts['train'], notes)
                for subset, part in parts.items()}
    for name, row in zip(names, class_table(contents)[1], strict=False):
        if row[1 + list(contents).index('train')] == '0':
            notes.lines.append(f'class {name!r} has no objects to train on')
    for subset, content in contents.items():
        write_json(out / 'annotations' / f'instances_{subset}.json', content)
    return OwnData(_data_config(out, parts, contents, names), names,
                   '\n'.join([plain(*class_table(contents)), *notes.text()]))


def from_yolo(source: Path, out: Path, notes: Notes, quiet: bool = False) -> Path:
    """Convert YOLO labels into COCO files below ``out``, images being linked to; returns ``out``.

    Raises:
        ConversionError: The layout or the class names cannot be read, or no image can be used.
    """
    names = load_class_names([str(class_file(source))])
    report = ConversionReport('yolo-seg', source)
    convert(read_yolo_seg(source, range(len(names)), quiet=quiet), names, report, out,
            mode='symlink', overwrite=True, quiet=quiet)
    for item in report.skipped:
        notes.add(item.kind, f'{item.place}: {item.reason}')
    return out


def _cleaned(part: CocoPart, notes: Notes) -> CocoPart:
    """The part with images that are there and objects that training can use.

    Raises:
        UserError: The file cannot be used, or an image is of another size than it says.
    """
    gone = {}
    for image in part.content['images']:
        if not (part.images / image['file_name']).is_file():
            gone[image.get('id')] = str(part.images / image['file_name'])
            notes.add('image is missing', gone[image.get('id')])
    content = dict(part.content, images=[image for image in part.content['images']
                                         if image.get('id') not in gone])
    if not content['images']:
        raise ConversionError(f'{part.path}: none of its images is in {part.images}')
    content['annotations'] = []
    for annotation in part.content['annotations']:
        place = f'{part.path}: annotation {annotation.get("id")}' \
            if isinstance(annotation, dict) else str(part.path)
        if isinstance(annotation, dict) and annotation.get('image_id') in gone:
            notes.add('object of a missing image', place)
        elif isinstance(annotation, dict) and not annotation.get('segmentation'):
            notes.add('box without an outline', place)
        else:
            content['annotations'].append(annotation)
    content, left_out = usable_content(content, str(part.path))
    if line := left_out_line(str(part.path), left_out):
        notes.lines.append(line)
    if not content['annotations']:
        raise ConversionError(f'{part.path}: no object can be used: '
                              f'{"; ".join(notes.text()) or "it lists none"}')
    for image in content['images']:
        path = part.images / image['file_name']
        size = _upright_size(path)
        if (image['width'], image['height']) != size:
            raise ConversionError(f'{part.path}: image {image["id"]}: says {image["width"]}x'
                                  f'{image["height"]}, but {path} is {size[0]}x{size[1]} upright; '
                                  'its outlines would not fit. Run tools/data/check.py')
    return CocoPart(part.path, part.images, content)


def _upright_size(path: Path) -> tuple[int, int]:
    """Width and height as training sees the image, from the file's head alone.

    Raises:
        ConversionError: It is no image.
    """
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
            return image.size[::-1] if turned else image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise ConversionError(f'{path}: is no image that can be read ({error})') from error


def _split(source: Path, part: CocoPart, allowed: bool, notes: Notes) -> dict[str, CocoPart]:
    """Train, val and test of a set in one file.

    Raises:
        ConversionError: It must not be split, or is too small.
    """
    names = [image['file_name'] for image in part.content['images']]
    if not allowed:
        raise ConversionError(
            f'{source}: {part.path.name} is its only annotation file, so there is nothing to '
            f'validate on. Add --split to divide its {len(names)} images 8:1:1, or do it '
            f'yourself: python tools/data/split.py {part.path} OUT --image-dir {part.images}')
    keys = [str(image['patient']) for image in part.content['images'] if 'patient' in image]
    told = f'{len(set(keys))} patients that the file names'
    try:
        if len(keys) != len(names):
            grouping = find_grouping(names)
            keys, told = list(grouping.patients), grouping.summary()
        sizes = subset_sizes(len(set(keys)), RATIOS)
        notes.lines.append(f'split by patient: {printable(told)}')
    except UserError as error:
        if isinstance(error, UnclearPatients) and any(item.sure for item in error.candidates):
            raise ConversionError(f'{part.path}: {error}; with tools/data/split.py, then give its '
                                  'OUT to --data') from error
        keys, sizes = names, image_sizes(len(names), RATIOS, None)
        notes.lines.append('split by image: no patients in the file names (or fewer than three); '
                           'images that resemble each other may be in two subsets, and results '
                           'too good. tools/data/split.py takes --pattern or --csv')
    return {subset: CocoPart(part.path, part.images, content)
            for subset, content in split_content(part.content, keys, sizes, seed=0).items()}


def _complete(source: Path, parts: dict[str, CocoPart], notes: Notes) -> dict[str, CocoPart]:
    """The three subsets; val and test stand in for each other where one is missing.

    Raises:
        ConversionError: There is no training set.
    """
    if 'train' not in parts:
        raise ConversionError(f'{source}: has annotations for {", ".join(parts)} but none to train '
                              'on; name a file or a folder train')
    for subset, other in (('val', 'test'), ('test', 'val')):
        if subset not in parts:
            parts[subset] = parts[other]
            notes.lines.append(f'no {subset} subset: the {other} subset serves as both')
    return {subset: parts[subset] for subset in SUBSETS}


def _choose_classes(source: Path, parts: dict[str, CocoPart], wanted: Sequence[str] | None,
                    notes: Notes) -> tuple[str, ...]:
    """Class names in their order.

    Raises:
        ConversionError: A wanted class is not there, or no class has objects.
    """
    counts: dict[str, int] = {}
    for part in parts.values():
        names = {item['id']: str(item['name']) for item in part.content['categories']}
        counts.update({name: counts.get(name, 0) for name in names.values()})
        for annotation in part.content['annotations']:
            counts[names[annotation['category_id']]] += 1
    for name in wanted or ():
        if name not in counts:
            near = difflib.get_close_matches(name, counts, n=1)
            raise ConversionError(f'--classes {name}: no such category in {source}; '
                                  + (f'did you mean {near[0]!r}?' if near
                                     else f'it has {", ".join(counts)}'))
    if wanted:
        if len(set(wanted)) != len(wanted):
            raise ConversionError(f'--classes {" ".join(wanted)}: one is given twice')
        return tuple(wanted)
    for name, count in counts.items():
        if not count:
            notes.lines.append(f'category {name!r} has no objects and is left out')
    return tuple(name for name, count in counts.items() if count)


def _with_classes(part: CocoPart, names: Sequence[str], train: CocoPart, notes: Notes
                  ) -> dict[str, Any]:
    """Content whose categories are the classes in their order, with the file's own ids.

    Of categories that share a name, the one with objects gives its id to all.
    """
    used = Counter(annotation['category_id'] for annotation in part.content['annotations'])
    ids: dict[str, int] = {}
    for item in sorted(part.content['categories'], key=lambda item: -used[item['id']]):
        ids.setdefault(str(item['name']), item['id'])
    taken = set(ids.values())
    for item in train.content['categories']:
        # a class that this file does not list gets the training file's id, or a new one
        if str(item['name']) not in ids:
            ids[str(item['name'])] = item['id'] if item['id'] not in taken else max(taken) + 1
            taken.add(ids[str(item['name'])])
    name_of = {item['id']: str(item['name']) for item in part.content['categories']}
    annotations = []
    for annotation in part.content['annotations']:
        name = name_of[annotation['category_id']]
        if name in names:
            annotations.append({**annotation, 'category_id': ids[name]})
        else:
            notes.add(f'object of category {name!r}, which is not among --classes',
                      f'{part.path}: annotation {annotation["id"]}')
    return {'images': part.content['images'], 'annotations': annotations,
            'categories': [{'id': ids[name], 'name': name} for name in names]}


def _data_config(out: Path, parts: dict[str, CocoPart], contents: dict[str, dict[str, Any]],
                 names: tuple[str, ...]) -> Config:
    """Data sets and metrics, without pipelines: those are the model's."""
    root = f'{out.resolve()}/'
    metainfo = dict(classes=names, palette=class_colors(names),
                    category_ids=[item['id'] for item in contents['train']['categories']])
    most = max(max(Counter(a['image_id'] for a in content['annotations']).values(), default=0)
               for content in contents.values())
    config = dict(data_root=root,
                  custom_imports=dict(imports=IMPORTS, allow_failed_imports=False))
    for subset, part in parts.items():
        file = f'annotations/instances_{subset}.json'
        config[f'{subset}_dataloader'] = dict(dataset=dict(
            type='NamedCocoDataset', data_root=root, ann_file=file, metainfo=metainfo,
            data_prefix=dict(img=f'{part.images}/'), filter_cfg=dict(filter_empty_gt=False)))
        if subset != 'train':
            # a hundred detections per image are COCO's; more where images hold more objects
            config[f'{subset}_evaluator'] = dict(
                type='InstanceMetric', ann_file=root + file, metric=['bbox', 'segm'],
                max_dets=100 * max(1, -(-most // 100)))
    return Config(config)
