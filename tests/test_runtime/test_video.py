"""Videos in and out of the runtime: codec, sizes, Ctrl-C, kills, full disks."""
import json
import os
import resource
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from tool_runs import ROOT

from medseg.runtime import video as video_module
from medseg.runtime.records import read_lines
from medseg.runtime.video import VideoError, VideoReader, VideoWriter


def frames(count, width=64, height=48):
    """Bars that move by four pixels a frame."""
    for number in range(count):
        frame = np.full((height, width, 3), 60, np.uint8)
        frame[:, 4 * number % width:][:, :8] = (40, 200, 220)
        yield frame


def write(path, count, width=64, height=48, rate=10):
    with VideoWriter(path, rate) as writer:
        for frame in frames(count, width, height):
            writer.write(frame)
    return path


def codec(path):
    number = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FOURCC))
    return number.to_bytes(4, 'little').decode()


@pytest.mark.parametrize('size', [(64, 48), (333, 217), (64, 47), (63, 48)])
def test_h264_of_any_size(tmp_path, size):
    video = VideoReader(write(tmp_path / 'v.mp4', 12, *size))
    assert video.total == 12 and video.rate == pytest.approx(10)
    read = list(video)
    assert len(read) == 12 and codec(video.path) in ('h264', 'avc1')
    assert [p.name for p in tmp_path.iterdir()] == ['v.mp4']
    for frame, expected in zip(read, frames(12, *size), strict=True):
        assert frame.shape == expected.shape
        assert np.abs(frame.astype(int) - expected).mean() < 12


def test_without_ffmpeg_nothing_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(video_module, 'ffmpeg_program', lambda: None)
    read = list(VideoReader(write(tmp_path / 'v.mp4', 5, 333, 217)))
    assert len(read) == 5 and read[0].shape == (218, 334, 3)  # one row and column twice


def test_frames_of_two_sizes(tmp_path):
    with pytest.raises(VideoError, match='frame 1 is 32x48, those before are 64x48'):
        with VideoWriter(tmp_path / 'v.mp4', 10) as writer:
            writer.write(next(frames(1)))
            writer.write(next(frames(1, 32)))
    assert len(list(VideoReader(tmp_path / 'v.part.mp4'))) == 1


def test_full_disk(tmp_path):
    """The file may not grow beyond 2 MB, which ffmpeg meets as it would a full disk."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    writer = VideoWriter(tmp_path / 'v.mp4', 5, live=True)
    writer.write(noise)
    resource.prlimit(writer._writer._process.pid, resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    with pytest.raises(VideoError, match='v.part.mp4: cannot be written further'):
        for _ in range(500):
            writer.write(noise)
    writer.abandon()
    # What was written before can be seen.
    assert 20 < readable(writer.part) < 400


def readable(path):
    """How many frames can be read."""
    try:
        return len(list(VideoReader(path)))
    except VideoError:
        return 0


def start(model, source, out):
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    process = subprocess.Popen(
        [sys.executable, '-m', 'medseg.runtime', str(model), str(source), '--out', str(out)],
        env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True)
    lines = out / 'predictions.jsonl'
    give_up = time.monotonic() + 60
    while not (lines.is_file() and lines.stat().st_size > 20_000):
        assert process.poll() is None and time.monotonic() < give_up, process.stderr.read()
        time.sleep(0.01)
    return process


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_stopped(raw_model, tmp_path, number):
    source = write(tmp_path / 'long.mp4', 3000, 320, 240)
    out = tmp_path / 'out'
    process = start(raw_model, source, out)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert 'Traceback' not in said and 'predictions.json has the' in said
    found = json.loads((out / 'predictions.json').read_text())
    assert f'has the {len(found)} instances' in said
    last = max(record['frame'] for record in found)
    drawn = len(list(VideoReader(out / 'overlays/long.mp4')))
    assert last > 10 and last <= drawn <= last + 1
    assert sorted(p.name for p in out.rglob('*') if p.is_file()) == [
        'long.mp4', 'predictions.json']


def test_killed(raw_model, tmp_path):
    source = write(tmp_path / 'long.mp4', 3000, 320, 240)
    out = tmp_path / 'out'
    process = start(raw_model, source, out)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    found = list(read_lines(out / 'predictions.jsonl'))
    last = max(record['frame'] for record in found)
    part = out / 'overlays/long.part.mp4'
    assert last > 10
    give_up = time.monotonic() + 20
    while readable(part) < last:  # ffmpeg completes the file on its own
        assert time.monotonic() < give_up
        time.sleep(0.1)
