"""One decoder for the runtime, the tools and training: whole files, bit depths."""
import logging

import cv2
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from tool_runs import load_tool

import medseg.data.transforms  # noqa: F401
from medseg.data.convert.images import read_upright
from medseg.runtime import images
from medseg.runtime.images import ImageError, decode_image, read_image

RAMP = np.linspace(0, 1, 48 * 64).reshape(48, 64)


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.setattr(images, '_told', set())


def encode(kind, pixels, *options):
    done, data = cv2.imencode(kind, pixels, list(options))
    assert done
    return data.tobytes()


def noise():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def with_thumbnail(jpeg):
    """A JPEG with a small whole JPEG in its first segment, as cameras write them."""
    inside = encode('.jpg', noise()[:8, :8])
    return (jpeg[:2] + b'\xff\xe1' + (len(inside) + 2).to_bytes(2, 'big') + inside + jpeg[2:])


WHOLE = {
    'jpeg': encode('.jpg', noise()),
    'progressive': encode('.jpg', noise(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'restarts': encode('.jpg', noise(), cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    'thumbnail': with_thumbnail(encode('.jpg', noise())),
    'png': encode('.png', noise()), 'bmp': encode('.bmp', noise()),
    'tiff': encode('.tif', noise()), 'webp': encode('.webp', noise()),
}


@pytest.mark.parametrize('kind', WHOLE)
@pytest.mark.parametrize('tail', [b'', b'\0' * 500, b'notes of a camera', WHOLE['jpeg']])
def test_what_follows_an_image_is_no_part_of_it(kind, tail):
    expected = cv2.imdecode(np.frombuffer(WHOLE[kind], np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode_image(WHOLE[kind] + tail, kind), expected)


@pytest.mark.parametrize('kind', WHOLE)
@pytest.mark.parametrize('part', [0, 1, 10, 0.1, 0.5, 0.9, -30, -1])
def test_a_part_of_an_image_is_none(kind, part):
    data = WHOLE[kind]
    cut = data[:int(part * len(data)) if isinstance(part, float) else part]
    with pytest.raises(ImageError, match=r'a\.x: (the image is cut off|is no image that OpenCV)'):
        decode_image(cut, 'a.x')


def levels(bits):
    return np.round(RAMP * (2 ** bits - 1))


@pytest.mark.parametrize('kind', ['.tif', '.png'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
@pytest.mark.parametrize('channels', [1, 3])
def test_bit_depths(kind, bits, channels, caplog):
    stored = levels(bits).astype(np.uint8 if bits == 8 else np.uint16)
    data = encode(kind, stored if channels == 1 else np.dstack([stored] * 3))
    with caplog.at_level(logging.WARNING):
        seen = [decode_image(data, name) for name in ('a.x', 'b.x')][0]
    assert seen.dtype == np.uint8 and seen.shape == (48, 64, 3)
    assert np.abs(seen.astype(float) - 255 * RAMP[..., None]).max() <= 1
    said = [record.getMessage() for record in caplog.records]
    assert said == ([] if bits in (8, 16) else [
        f'a.x: a 16-bit file whose values end at {2 ** bits - 1} is read as {bits} bits, as all '
        'like it are; scale it to 16 bits if that is wrong'])


def test_a_black_16_bit_image_stays_black():
    assert (decode_image(encode('.png', np.full((9, 9), 200, np.uint16)), 'a') == 0).all()


@pytest.mark.parametrize(('stored', 'holds'), [
    (RAMP.astype(np.float32), 'float32 from 0 to 1'),
    (levels(12).astype(np.int32), 'int32 from 0 to 4095'),
    ((levels(12) - 1024).astype(np.int16), 'int16 from -1024 to 3071')])
def test_values_without_black_and_white_are_refused(stored, holds):
    with pytest.raises(ImageError, match=f'ct.tif: holds {holds}, which says nothing about'):
        decode_image(encode('.tif', stored), 'ct.tif')


def test_everybody_sees_the_same(tmp_path):
    """The runtime, infer.py, training and browse.py, on 12 bits and on a JPEG with a tail."""
    for name, data in {'x.tif': encode('.tif', levels(12).astype(np.uint16)),
                       'y.jpg': WHOLE['jpeg'] + b'\0' * 500}.items():
        path = tmp_path / name
        path.write_bytes(data)
        expected = read_image(path)
        assert expected.max() == 255
        trained_on = TRANSFORMS.build(dict(type='LoadImageFromFile'))(dict(img_path=str(path)))
        assert np.array_equal(trained_on['img'], expected)
        assert trained_on['ori_shape'] == trained_on['img_shape'] == expected.shape[:2]
        assert np.array_equal(read_upright(path), expected[..., ::-1])
        assert load_tool('tools/infer.py').read_image is read_image


def test_missing_and_huge(tmp_path):
    with pytest.raises(ImageError, match=r'gone\.png: cannot be read \(No such file'):
        read_image(tmp_path / 'gone.png')
    png = bytearray(WHOLE['png'])
    png[16:24] = (50_000).to_bytes(4, 'big') * 2
    with pytest.raises(ImageError, match='2500000000 pixels, at most 134217728 are read'):
        decode_image(bytes(png), 'bomb.png')
