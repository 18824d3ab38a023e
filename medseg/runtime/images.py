"""The one way in which images are decoded: by the runtime, the tools, live views and training."""
from __future__ import annotations

import logging
import re
from pathlib import Path

import cv2
import numpy as np

from medseg.errors import UserError

#: Pixels of an image; 134 million take 400 MB in colour.
MAX_PIXELS = 2 ** 27
#: Numbers of bits that data in 16-bit files may have, apart from all 16.
DEPTHS = (10, 12, 14)

_logger = logging.getLogger(__name__)
#: The end of a JPEG's compressed data: a marker that is no stuffed byte, restart or filler.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xff\xd0-\xd7]')
#: Markers without content, and those of frames, which hold the size.
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_told: set[int] = set()


class ImageError(UserError):
    """A file is no image that can be used."""


def read_image(path: Path) -> np.ndarray:
    """An image file as :func:`decode_image` reads it; the name need not be ASCII.

    Raises:
        ImageError: The file is missing, cut off or no image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f'{path}: cannot be read ({error.strerror})') from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Pixels of an encoded image, upright as its EXIF data say.

    Files of 16 bits often hold 10, 12 or 14: their upper 8 bits would be 4 to 64 times too dark.
    They are read by the fewest of these bits that hold their largest value, and the first of
    each kind is told about in the log.

    Args:
        data (bytes): The file's content.
        name (str): For messages.

    Returns:
        np.ndarray: BGR, (H, W, 3) uint8.

    Raises:
        ImageError: It is cut off, too large, no image that OpenCV decodes, or of floating point,
            32-bit or negative values, which have no agreed range.
    """
    whole, pixels = _frame(data)
    if not whole:
        raise ImageError(f'{name}: the image is cut off')
    if pixels > MAX_PIXELS:
        raise ImageError(f'{name}: {pixels} pixels, at most {MAX_PIXELS} are read; cut the image '
                         'into tiles')
    buffer = np.frombuffer(data, np.uint8)
    image = _decode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        stored = _decode(buffer, cv2.IMREAD_UNCHANGED)
        if stored is None:
            raise ImageError(f'{name}: is no image that OpenCV can decode')
        image = stored
    if image.dtype == np.uint8:
        return image
    if image.dtype not in (np.uint16, np.int16) or image.min() < 0:
        raise ImageError(f'{name}: holds {image.dtype} from {image.min():g} to {image.max():g}, '
                         'which says nothing about black and white; save it with 8 or 16 bits')
    return _eight_bits(image.astype(np.uint16), name)


def _decode(buffer: np.ndarray, flags: int) -> np.ndarray | None:
    """OpenCV's pixels, or None."""
    try:
        return cv2.imdecode(buffer, flags) if buffer.size else None
    except cv2.error:
        return None


def _eight_bits(image: np.ndarray, name: str) -> np.ndarray:
    """The upper 8 of the bits that an image of 16 uses."""
    peak = int(image.max())
    bits = next((bits for bits in DEPTHS if 255 < peak < 2 ** bits), 16)
    if bits < 16 and bits not in _told:
        _told.add(bits)
        _logger.warning('%s: a 16-bit file whose values end at %d is read as %d bits, as all like '
                        'it are; scale it to 16 bits if that is wrong', name, peak, bits)
    return (image >> (bits - 8)).astype(np.uint8)


def _frame(data: bytes) -> tuple[bool, int]:
    """Whether a file is whole, and its number of pixels, as far as its frame tells.

    Some releases of OpenCV fill what a file lacks with grey and say nothing. What follows behind
    the end of an image, such as a camera's notes or a second picture, is no part of it.
    """
    if data[:8] == b'\x89PNG\r\n\x1a\n':
        at, pixels = 8, int.from_bytes(data[16:20], 'big') * int.from_bytes(data[20:24], 'big')
        while at + 12 <= len(data) and data[at + 4:at + 8] != b'IEND':
            at += 12 + int.from_bytes(data[at:at + 4], 'big')
        return at + 12 <= len(data), pixels
    if data[:2] == b'\xff\xd8':
        return _jpeg_frame(data)
    return True, 0


def _jpeg_frame(data: bytes) -> tuple[bool, int]:
    """See :func:`_frame`: walks the markers to the end of the first picture."""
    at, pixels = 2, 0
    while at + 2 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1  # filler, or what the decoder will skip too
        elif marker == 0xD9:
            return True, pixels
        elif marker in _JPEG_BARE:
            at += 2
        else:
            if marker in _JPEG_FRAMES:
                pixels = int.from_bytes(data[at + 5:at + 7], 'big') * int.from_bytes(
                    data[at + 7:at + 9], 'big')
            at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
            if marker == 0xDA:
                found = _JPEG_MARKER.search(data, at)
                at = found.start() if found else len(data)
    return False, pixels
