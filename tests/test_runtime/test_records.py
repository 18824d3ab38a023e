"""Run lengths and records as they go to disk."""
import json
import tracemalloc

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from medseg.runtime.records import RecordWriter, decode_mask, encode_mask, read_lines


@pytest.mark.parametrize('density', [0, 0.02, 0.5, 0.98, 1])
def test_masks_as_pycocotools_writes_them(density):
    rng = np.random.default_rng(0)
    for _ in range(60):
        mask = rng.random(rng.integers(1, 40, 2)) < density
        coded = encode_mask(mask)
        expected = mask_utils.encode(np.asfortranarray(mask, np.uint8))
        assert coded == dict(size=list(mask.shape), counts=expected['counts'].decode())
        assert (decode_mask(coded) == mask).all()


def test_runs_over_whole_columns_and_long_ones():
    mask = np.zeros((3, 5), bool)
    mask[:, 1:3] = True
    mask[0, 3] = True
    # Columns: 3 zeros, then 3 + 3 + 1 ones in one run, then 5 zeros. 3, 7, 5 are '3', '7', '5'.
    assert encode_mask(mask) == dict(size=[3, 5], counts='375')
    large = np.zeros((2000, 3000), bool)
    large[10:, 1500:] = True
    expected = mask_utils.encode(np.asfortranarray(large, np.uint8))['counts'].decode()
    assert encode_mask(large)['counts'] == expected
    assert (decode_mask(encode_mask(large)) == large).all()


def test_lines_become_a_list(tmp_path):
    with RecordWriter(tmp_path / 'out') as writer:
        writer.write([dict(frame=0), dict(frame=1)])
        # On disk at once: a kill leaves them.
        assert list(read_lines(writer.lines)) == [dict(frame=0), dict(frame=1)]
        writer.write([])
    assert json.loads(writer.path.read_text()) == [dict(frame=0), dict(frame=1)]
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['predictions.json']
    with RecordWriter(tmp_path / 'none'):
        pass
    assert json.loads((tmp_path / 'none/predictions.json').read_text()) == []


def test_ctrl_c_completes_and_a_failure_keeps_the_lines(tmp_path):
    with pytest.raises(KeyboardInterrupt), RecordWriter(tmp_path) as writer:
        writer.write([dict(frame=0)])
        raise KeyboardInterrupt
    assert json.loads(writer.path.read_text()) == [dict(frame=0)]
    with pytest.raises(OSError), RecordWriter(tmp_path / 'b') as writer:
        writer.write([dict(frame=0)])
        raise OSError
    with writer.lines.open('a') as file:
        file.write('{"frame": 1, "cut')
    assert list(read_lines(writer.lines)) == [dict(frame=0)]


def test_memory_stays_flat(tmp_path):
    record = dict(frame=0, segmentation=dict(size=[720, 1080], counts='x' * 2000))
    with RecordWriter(tmp_path) as writer:
        writer.write([record])
        tracemalloc.start()
        for _ in range(2000):  # four megabytes
            writer.write([record])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert writer.path.stat().st_size > 4e6 and peak < 200e3
