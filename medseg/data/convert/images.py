"""Reading image facts and writing upright images; names need not be ASCII."""

from __future__ import annotations

import io
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from medseg.data.outlines import check_image_size
from medseg.runtime.images import MAX_PIXELS, ImageError, decode_image, read_image

from .records import ConversionError, RecordError, SourceImage

LINK_MODES = ('copy', 'symlink', 'hardlink', 'none')
"""How images get into the output; ``none`` leaves them where they are."""


@dataclass(frozen=True)
class ImageFacts:
    """Size of an image in pixels as stored, and its EXIF orientation (1 is upright)."""

    stored_width: int
    stored_height: int
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright image."""
        stored = (self.stored_width, self.stored_height)
        return stored[::-1] if self.orientation >= 5 else stored


def read_facts(source: Path | bytes, ignore_exif: bool = False) -> ImageFacts:
    """Decodes a whole image and returns its size and orientation.

    Args:
        source: Image file, or the encoded image.
        ignore_exif: Take the stored pixels as upright.

    Raises:
        RecordError: the image is missing, truncated, or no image; of kind ``broken image``.
    """
    with decoded(source) as image:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if ignore_exif or orientation not in range(1, 9):
            orientation = 1
        return ImageFacts(image.width, image.height, orientation)


def check_trainable(path: Path, shape: tuple[int, ...]) -> None:
    """Whether training sees the image that Pillow has decoded; GIF, for one, it does not.

    Args:
        path: The file.
        shape: Height and width of the upright image, in pixels.

    Raises:
        RecordError: it cannot read it or sees another size, or the sides are out of range.
    """
    check_image_size(*shape[:2])
    try:
        seen = read_image(path)
    except ImageError as error:
        raise RecordError('unreadable type', f'training cannot read it: {error}; save it as PNG'
                          ) from error
    if seen.shape[:2] != tuple(shape[:2]):
        raise RecordError('unreadable type', f'training sees {seen.shape[1]}x{seen.shape[0]}, not '
                          f'{shape[1]}x{shape[0]}; save it as PNG')


@contextmanager
def decoded(source: Path | bytes) -> Iterator[Image.Image]:
    """A decoded image, of bounded size.

    Raises:
        RecordError: it is missing, truncated, no image (``broken image``) or huge (``too large``).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # remarks on metadata do not matter here
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise RecordError('too large', f'{image.width}x{image.height}: more than '
                                      f'{MAX_PIXELS} pixels')
                image.load()  # the header alone does not show a truncated file
                yield image
    except Image.DecompressionBombError as error:
        raise RecordError('too large', str(error)) from error
    except RecordError:
        raise
    except Exception as error:  # decoders fail in every way there is on bytes made to hurt them
        raise RecordError('broken image', f'image cannot be decoded ({error})') from error


def read_upright(source: Path | bytes, ignore_exif: bool = False) -> np.ndarray:
    """Upright image as an RGB array of shape (H, W, 3), uint8, as training sees it.

    Raises:
        RecordError: the image cannot be decoded.
    """
    with decoded(source) as image:
        upright = np.asarray(
            (image if ignore_exif else ImageOps.exif_transpose(image)).convert('RGB'))
    if ignore_exif:
        return upright
    try:
        # Pillow clips 16 bits at 255, or takes the upper 8 of them
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        return cv2.cvtColor(decode_image(data, ''), cv2.COLOR_BGR2RGB)
    except ImageError:
        return upright  # a type that only Pillow knows


def place_image(image: SourceImage, target: Path, mode: str) -> None:
    """Puts an image where the output wants it.

    An image that has to be turned upright is encoded as PNG, without loss, whatever the mode.

    Args:
        image: The image; its ``file_name`` already ends in ``.png`` where it is rewritten.
        target: File to write; its folder is created.
        mode: ``copy``, ``symlink`` or ``hardlink``.

    Raises:
        ConversionError: the link cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if image.rewrite:
        source = image.path if image.path is not None else io.BytesIO(image.read_bytes())
        with Image.open(source) as stored:
            upright = stored if image.ignore_exif else ImageOps.exif_transpose(stored)
            if upright.mode not in {'1', 'L', 'LA', 'I', 'I;16', 'P', 'RGB', 'RGBA'}:
                upright = upright.convert('RGB')
            upright.save(target, format='PNG', exif=b'')
    elif image.path is None:
        target.write_bytes(image.read_bytes())
    elif mode == 'copy':
        shutil.copyfile(image.path, target)
    elif mode == 'symlink':
        target.symlink_to(image.path.resolve())
    else:
        try:
            os.link(image.path.resolve(), target)
        except OSError as error:
            raise ConversionError(
                f'{image.path}: cannot be hard-linked to {target.parent} ({error.strerror}); '
                'use --images copy or --images symlink') from error
