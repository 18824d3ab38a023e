"""Clips of a moving scope: true masks, true motion, the live source."""
import cv2
import numpy as np
import pytest
from tool_runs import load_tool

import projects.lmsfa.live  # noqa: F401  registers synpeld:
from medseg.live.sources import SourceError, open_source
from medseg.live.stability import overlap, read_truth
from medseg.runtime.video import VideoReader
from projects.lmsfa.datasets.synpeld import CLASSES
from projects.lmsfa.datasets.synpeld.clip import Clip
from projects.lmsfa.live import SynpeldSource

SIZE = (180, 120)


def test_truth_follows_the_scope():
    clip = Clip(3, patient=2, size=SIZE)
    first, later = clip.truth(0), clip.truth(1)
    assert {item.label for item in first} <= set(CLASSES) and len(first) >= 1
    assert all(item.motion is None for item in first)
    assert all(item.mask.shape == (120, 180) and item.mask.any() for item in first)
    before = {item.number: item.mask for item in first}
    for item in later:
        moved = cv2.warpAffine(before[item.number].view(np.uint8), item.motion, SIZE) > 0
        # Instruments move on their own, so that little more can be asked of their rims.
        assert overlap(moved, item.mask) > 0.85
    # Twenty frames later the same structures are elsewhere.
    far = {item.number: item.mask for item in clip.truth(20)}
    assert min(overlap(before[number], far[number]) for number in before if number in far) < 0.9


def test_the_same_for_the_same_seed():
    assert (Clip(1, size=SIZE).image(4) == Clip(1, size=SIZE).image(4)).all()
    assert (Clip(1, size=SIZE).image(4) != Clip(2, size=SIZE).image(4)).any()
    still = Clip(1, size=SIZE, motion=0)
    assert still.view(0) == still.view(30)


def test_source_goes_back_and_forth(monkeypatch):
    source = SynpeldSource('5:180x120', kept=3)
    frames = [source.read() for _ in range(6)]
    assert frames[0].shape == (120, 180, 3) and source.live
    for number, same in ((3, 1), (4, 0), (5, 1)):
        assert frames[number] is frames[same]
    assert open_source('synpeld:0').name == 'synpeld:0'
    for wrong in ('synpeld:', 'synpeld:x', 'synpeld:1:20x20', 'synpeld:1:200'):
        with pytest.raises(SourceError, match='give synpeld:SEED or synpeld:SEED:WIDTHxHEIGHT'):
            open_source(wrong)


def test_clips_of_the_tool(tmp_path, capsys):
    tool = load_tool('tools/data/make_synpeld.py')
    words = [str(tmp_path / 'c'), '--patients', '2', '--video', '0.12', '--size', '180x120']
    assert tool.main(words) == 0
    for name in ('p001', 'p002'):
        truth = read_truth(tmp_path / 'c' / f'{name}.mp4')
        assert len(truth) == len(list(VideoReader(tmp_path / 'c' / f'{name}.mp4'))) == 3
        assert truth[1][0].motion.shape == (2, 3) and truth[1][0].name in CLASSES
    kept = (tmp_path / 'c' / 'p001.mp4').stat().st_mtime_ns
    assert tool.main(words) == 0 and (tmp_path / 'c' / 'p001.mp4').stat().st_mtime_ns == kept
    assert tool.main([str(tmp_path / 'c'), '--video', '0']) == 2
    assert '--video 0: is less than a frame' in capsys.readouterr().err
