"""What a reader hands to the writer: images with their instances, in one coordinate frame.

Coordinates are pixels of the *upright* image (EXIF orientation applied), x to the right, y down,
with (0, 0) the outer corner of the first pixel, as in COCO.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medseg.data.findings import Finding
from medseg.errors import UserError

UNSPLIT = 'all'
"""Subset name of a data set that has no split yet."""

UNKNOWN_CLASS = 'unknown class'
"""Kind of a record whose label is no class."""

SUBSET_NAMES = {'train': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'test'}
"""Folder names that mean a subset."""

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'})
"""File name endings, lower case, that count as images."""


class ConversionError(UserError):
    """The conversion as a whole cannot go on; the message names the file and the remedy."""


class RecordError(Exception):
    """One record cannot be used.

    Args:
        kind: Short name of the fault, the same for all records that share it.
        reason: The fault of this record with its numbers.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass
class SourceInstance:
    """One object: its class and its outline.

    Attributes:
        category: Index into the class list, from 0.
        polygons: Closed rings without the repeated end point, each of shape (N >= 3, 2), pixels.
            Several rings are parts of one object. A hole is bridged into its ring.
        area: Area in square pixels.
        where: Place in the annotation file, for example ``line 3``.
    """

    category: int
    polygons: list[np.ndarray]
    area: float
    where: str


@dataclass
class SourceImage:
    """One image and its objects.

    Attributes:
        subset: ``train``, ``val``, ``test`` or :data:`UNSPLIT`.
        file_name: Path below the image folder of the subset, with forward slashes.
        width: Width of the upright image in pixels.
        height: Height of the upright image in pixels.
        path: The image file, or None where the image is embedded in its annotation file.
        read_bytes: Returns the encoded image where ``path`` is None.
        rewrite: The stored pixels are not upright, so that the output must be encoded anew.
        ignore_exif: When rewriting, keep the stored pixels as they are.
        instances: The objects; empty for an image without any.
    """

    subset: str
    file_name: str
    width: int
    height: int
    path: Path | None = None
    read_bytes: Callable[[], bytes] | None = None
    rewrite: bool = False
    ignore_exif: bool = False
    instances: list[SourceInstance] = field(default_factory=list)


@dataclass
class Reading:
    """What a reader says about one file of the source: an image, and what was found on the way.

    Attributes:
        subset: Subset that the file belongs to.
        image: The image with its objects; None where it cannot be used.
        findings: Records that cannot be used, and remarks.
        images: Image files that this reading accounts for.
        records: Records read, those that cannot be used included.
        merged: Records that became parts of another one's object.
    """

    subset: str
    image: SourceImage | None = None
    findings: list[Finding] = field(default_factory=list)
    images: int = 0
    records: int = 0
    merged: int = 0

    def skip(self, file: Path | None, record: str, kind: str, reason: str,
             records: int = 1) -> None:
        """Adds a record, or a whole file holding ``records`` records, that cannot be used."""
        self.findings.append(Finding(str(file), record, kind, reason, self.subset, records))

    def warn(self, file: Path | None, record: str, kind: str, reason: str) -> None:
        """Adds something that was put right or is worth a look; no record is lost by it."""
        self.findings.append(Finding(str(file), record, kind, reason, self.subset, skipped=False))
