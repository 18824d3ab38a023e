"""Measures of steadiness on clips whose answers can be counted by hand."""
import json

import numpy as np
import pytest
from live_parts import texture

from medseg.live.stability import Stability, Truth, main, read_truth
from medseg.live.tracking import Tracked
from medseg.runtime.records import encode_mask
from medseg.runtime.video import VideoWriter

NAMES = ['bone', 'nerve']


def square(x, side=20):
    mask = np.zeros((60, 120), bool)
    mask[20:20 + side, x:x + side] = True
    return mask


def shown(*items):
    """Objects of (mask, class, identity)."""
    return Tracked(np.zeros((len(items), 4), np.float32), np.int64([i[1] for i in items]),
                   np.ones(len(items), np.float32),
                   np.stack([i[0] for i in items]) if items else np.zeros((0, 60, 120), bool),
                   class_names=NAMES, ids=np.int64([i[2] for i in items]))


def truth(x, step=2):
    return [Truth(1, 'bone', square(x), np.float64([[1, 0, step], [0, 1, 0]]))]


def test_counts():
    """Ten frames: gone in the third, another class in the sixth, another identity from the
    eighth."""
    stability = Stability()
    for number in range(10):
        x = 10 + 2 * number
        found = shown() if number == 3 else shown(
            (square(x), int(number == 6), 7 if number < 8 else 8))
        stability.update(found, truth(x))
    summary = stability.summary()
    # Nine pairs of neighbours; one vanishes, two change: to the nerve and back.
    assert summary['vanished'] == pytest.approx(1 / 9)
    assert summary['changed'] == pytest.approx(2 / 9)
    assert summary['flicker'] == pytest.approx(3 / 9)
    assert summary['switches'] == 1 and summary['neighbours'] == 1.0 and summary['lag'] == 0
    assert summary['iou'] == pytest.approx(0.8) and summary['false'] == 0


def test_lag_and_trembling():
    late, trembling = Stability(), Stability()
    for number in range(10):
        x = 10 + 2 * number
        late.update(shown((square(x - 4), 0, 1)), truth(x))
        trembling.update(shown((square(x + number % 2), 0, 1)), truth(x))
    assert late.summary()['lag'] == 2
    # Squares of 20 that are a column apart: 380 of 420 pixels.
    assert trembling.summary()['neighbours'] == pytest.approx(380 / 420)
    assert trembling.summary()['lag'] == 0


def test_false_objects():
    stability = Stability()
    stability.update(shown((square(10), 0, 1), (square(80), 1, 2)), truth(10))
    assert stability.summary()['false'] == 1


def test_command_line(model, tmp_path, capsys):
    """The model's bone is the truth of one clip; identities and masks stay."""
    clip = tmp_path / 'c.mp4'
    with VideoWriter(clip, 25) as writer:
        for _ in range(6):
            writer.write(texture(64, 64))
    mask = np.zeros((64, 64), bool)
    mask[8:40, 8:32] = True
    line = dict(objects=[dict(number=1, category_name='bone', segmentation=encode_mask(mask),
                              motion=[[1, 0, 0], [0, 1, 0]])])
    clip.with_suffix('.truth.jsonl').write_text(
        '\n'.join(json.dumps(dict(line, frame=i)) for i in range(6)) + '\n')
    assert len(read_truth(clip)) == 6
    docs = tmp_path / 'd.md'
    docs.write_text('<!-- table: stability -->\n<!-- end of table -->\n')
    assert main([str(model), str(clip), '--docs', str(docs)]) == 0
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in
            capsys.readouterr().out.splitlines()[2:]]
    assert rows[0][0] == 'each frame by itself' and rows[1][0] == 'smoothed'
    assert rows[0][1] == '0.00 %' and rows[1][5] == '0' and float(rows[0][6]) > 0.7
    assert '| smoothed |' in docs.read_text()
    clip.with_suffix('.truth.jsonl').unlink()
    assert main([str(model), str(clip)]) == 2
    assert 'c.truth.jsonl: cannot be read' in capsys.readouterr().err
