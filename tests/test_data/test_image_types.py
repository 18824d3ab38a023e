"""Types of images by size and colour."""
import cv2
import numpy as np
import pytest

from medseg.data.image_types import image_type, image_types
from medseg.errors import UserError


@pytest.mark.parametrize(('colour', 'size', 'name'), [
    ((10, 10, 10), (256, 256), 'grey, dark, small'),
    ((200, 200, 200), (256, 320), 'grey, bright, small'),
    ((200, 120, 180), (520, 696), 'colour, bright, medium'),
    ((60, 20, 40), (1040, 1388), 'colour, dark, large'),
    ((100, 105, 100), (321, 100), 'grey, dark, medium'),  # 5 levels apart: still grey
])
def test_rule(colour, size, name):
    assert image_type(np.full((*size, 3), colour, np.uint8)) == name


def test_nuclei_do_not_change_the_background():
    image = np.full((256, 256, 3), 20, np.uint8)
    image[:, :100] = 250  # less than half of the image
    assert image_type(image) == 'grey, dark, small'


def test_files(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((40, 40, 3), 240, np.uint8))
    assert image_types([{'file_name': 'a.png'}], tmp_path) == ['grey, bright, small']
    with pytest.raises(UserError, match=r'b.png: no such image; name the folder with --images'):
        image_types([{'file_name': 'b.png'}], tmp_path)
