"""What a user may name as a source, and what is said where it cannot be used."""
import time

import cv2
import numpy as np
import pytest
from live_parts import ListSource, texture, until
from rtsp_server import RtspCamera

from medseg.live import engine as engine_module
from medseg.live import sources
from medseg.live.engine import Engine
from medseg.live.sources import SOURCES, SourceError, open_at_its_speed, open_source


def drain(source):
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_video_folder_and_image(clip, tmp_path, still):
    video = open_source(str(clip))
    assert (video.live, video.rate, video.total) == (False, 25, 50)
    frames = drain(video)
    assert len(frames) == 50 and frames[0].shape == (120, 160, 3)
    folder = tmp_path / 'frames'
    (folder / 'a').mkdir(parents=True)
    for name, level in (('b.png', 20), ('a/c.png', 10), ('d.bmp', 30)):
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), level, np.uint8))
    (folder / 'notes.txt').write_text('no image')
    assert [frame[0, 0, 0] for frame in drain(open_source(str(folder)))] == [10, 20, 30]
    image = open_source(str(still))
    assert image.live and (image.read() == texture()).all() and (image.read() == texture()).all()


@pytest.mark.parametrize('text, message', [
    ('none.mp4', 'none.mp4: no such file, folder, camera or stream'),
    ('{tmp}/text.mp4', 'text.mp4: cannot be opened; it is no video that OpenCV can read'),
    ('{tmp}/text.png', 'text.png: is no image that OpenCV can decode'),
    ('{tmp}/empty', 'no images in this folder'),
    ('97', '97: cannot be opened; cameras here: '),
    ('/dev/video97', '/dev/video97: cannot be opened; cameras here: '),
    ('rtsp://127.0.0.1:9/stream', 'rtsp://127.0.0.1:9/stream: cannot be opened; is it running'),
    ('http://127.0.0.1:9/stream', 'http://127.0.0.1:9/stream: cannot be opened; is it running'),
    ('videotestsrc ! appsink', 'is a GStreamer pipeline, which this build of OpenCV cannot run'),
    ('synthetic:3', '; does a module of --import register it?'),
])
def test_what_is_said(tmp_path, text, message):
    for name in ('text.mp4', 'text.png'):
        (tmp_path / name).write_text('text')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SourceError) as caught:
        open_source(text.format(tmp=tmp_path))
    assert message in str(caught.value)


def test_a_cut_off_video_is_no_end(clip, tmp_path):
    part = tmp_path / 'cut.avi'
    writer = cv2.VideoWriter(str(part), cv2.VideoWriter_fourcc(*'MJPG'), 25, (160, 120))
    for number in range(20):
        writer.write(texture(seed=number))
    writer.release()
    source = open_source(str(part))
    source.total = 25  # what the header of a longer file would promise
    with pytest.raises(SourceError, match='20 of 25 frames could be read'):
        drain(source)


def test_registered_kinds(monkeypatch):
    monkeypatch.setitem(SOURCES, 'list', lambda text: ListSource([texture()] * int(text)))
    assert len(drain(open_source('list:3'))) == 3


def test_files_keep_their_time_and_begin_again(monkeypatch):
    monkeypatch.setitem(SOURCES, 'list', lambda text: ListSource([texture()] * 3, rate=50))
    source = open_at_its_speed('list:', loop=True)
    start = time.perf_counter()
    for _ in range(8):
        assert source.read().shape == (120, 160, 3)
    # Seven gaps of 20 ms; a busy machine makes them longer, never shorter.
    assert time.perf_counter() - start > 0.139
    assert len(drain(open_at_its_speed('list:'))) == 3


def test_pace_after_a_pause(monkeypatch):
    """A source that was held up does not hurry to catch up."""
    clock = [100.0]
    monkeypatch.setattr(sources.time, 'perf_counter', lambda: clock[0])
    monkeypatch.setattr(sources.time, 'sleep',
                        lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    pace = sources.Pace(10)
    for _ in range(3):
        pace.wait()
    assert clock[0] == pytest.approx(100.2)
    clock[0] += 5
    pace.wait()
    pace.wait()
    assert clock[0] == pytest.approx(105.3)


@pytest.mark.parametrize('text, target, live, api', [
    ('0', 0, True, cv2.CAP_ANY), (' /dev/video12 ', 12, True, cv2.CAP_ANY),
    ('rtsp://user:secret@cam:554/a?b=1', None, True, cv2.CAP_FFMPEG),
    ('RTSPS://cam/a', None, True, cv2.CAP_FFMPEG), ('udp://0.0.0.0:5000', None, True,
                                                    cv2.CAP_FFMPEG),
    ('https://cam/a.m3u8', None, True, cv2.CAP_FFMPEG),
    ('v4l2src device=/dev/video0 ! videoconvert ! appsink', None, True, cv2.CAP_GSTREAMER),
    ('12', '{tmp}/12', False, cv2.CAP_FFMPEG), ('clip.mp4', '{tmp}/clip.mp4', False,
                                                cv2.CAP_FFMPEG)])
def test_what_opencv_is_asked_for(monkeypatch, tmp_path, text, target, live, api):
    """Addresses and pipelines as they were written, cameras as numbers; a file of that name is no
    camera."""
    asked = []
    monkeypatch.setattr(sources, '_has_gstreamer', lambda: True)
    monkeypatch.setattr(sources, 'CaptureSource', lambda *words: asked.append(words))
    monkeypatch.chdir(tmp_path)
    if isinstance(target, str):
        (tmp_path / text).write_text('a file')
        target = text
    open_source(text)
    (name, given, is_live, backend, *_), = asked
    assert (name, given, is_live) == (text.strip(), text if target is None else target, live)
    assert backend == api


def test_rtsp(clip, segmenter, monkeypatch):
    """A camera by RTSP: seen, cut off, taken up again."""
    monkeypatch.setattr(engine_module, 'RETRY_S', (0.02, 0.1))
    heard = []
    with RtspCamera(clip, 2) as camera:
        engine = Engine(segmenter, camera.url, report=lambda level, text: heard.append(text))
        engine.start()
        try:
            until(lambda: engine.statistics.pictures >= 3)
            assert engine.size == (160, 120) and engine.rate == 25
            # The texture's squares, as far as MPEG-2 leaves them.
            assert engine.latest.frame.std() > 40
            camera.cut()
            until(lambda: f'{camera.url}: is back' in heard)
            assert heard[0] == f'{camera.url}: the connection was lost; trying again'
            seen = engine.statistics.pictures
            until(lambda: engine.statistics.pictures >= seen + 3)
            assert engine.state == 'live' and camera.sessions == 2
        finally:
            engine.stop()
