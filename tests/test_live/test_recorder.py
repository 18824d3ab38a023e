"""Recordings: as long as what they show, whole whatever happens."""
import json
import resource

import pytest
from live_parts import texture, until

from medseg.live.recorder import LineWriter, Recorder, free_name
from medseg.runtime.records import read_lines
from medseg.runtime.video import VideoError, VideoReader

LITTLE = 1 << 20


def frames_of(path):
    return list(VideoReader(path))


def test_in_real_time(tmp_path):
    """Pictures at 0, 0.1, 0.4 and 0.41 s: at 10 a second that is 0, 1, 2, 3, 4."""
    said = []
    recorder = Recorder(tmp_path / 'a' / 'r.mp4', 10, said.append, least_free=LITTLE)
    for number, moment in enumerate((5.0, 5.1, 5.4, 5.41)):
        recorder.add(texture(seed=number), moment)
    recorder.close()
    found = frames_of(tmp_path / 'a' / 'r.mp4')
    assert len(found) == 5 and said == [f'{recorder.path}: 5 frames recorded']

    def like(frame):
        return min(range(4), key=lambda seed: abs(frame.astype(int) - texture(seed=seed)).mean())

    assert [like(frame) for frame in found] == [0, 1, 1, 1, 2]
    assert [p.name for p in recorder.path.parent.iterdir()] == ['r.mp4']


def test_every_picture_once(tmp_path):
    recorder = Recorder(tmp_path / 'r.mp4', 25, print, paced=False, least_free=LITTLE)
    for number in range(20):  # more than may wait, in no time
        recorder.add(texture(seed=number), 5.0)
    recorder.close()
    assert len(frames_of(tmp_path / 'r.mp4')) == 20 and recorder.late == 0


def test_names_are_not_taken_from_others(tmp_path):
    path = tmp_path / 'r.mp4'
    assert free_name(path) == path
    path.write_bytes(b'mine')
    (tmp_path / 'r-2.part.mp4').write_bytes(b'left by a kill')
    assert free_name(path).name == 'r-3.mp4'
    recorder = Recorder(path, 25, print, least_free=LITTLE)
    recorder.add(texture(), 0.0)
    recorder.add(texture(90, 200), 0.1)  # another size, another file
    recorder.close()
    assert path.read_bytes() == b'mine'
    assert frames_of(tmp_path / 'r-3.mp4')[0].shape == (120, 160, 3)
    assert frames_of(tmp_path / 'r-4.mp4')[0].shape == (90, 200, 3)


def test_no_room(tmp_path):
    with pytest.raises(VideoError, match='r.mp4: only .* MB of its disk are free'):
        Recorder(tmp_path / 'r.mp4', 25, print, least_free=1 << 60)


def test_disk_full_while_recording(tmp_path):
    """ffmpeg may not write more than 300 kB: the recording ends, what it has can be seen."""
    said = []
    recorder = Recorder(tmp_path / 'r.mp4', 5, said.append, least_free=LITTLE)
    recorder.add(texture(480, 640), 0.0)
    import psutil
    child = until(lambda: [p for p in psutil.Process().children() if 'ffmpeg' in p.name()])[0]
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
    moment = 0.0
    while recorder.active:
        moment += 0.2
        recorder.add(texture(480, 640, seed=round(10 * moment)), moment)
    recorder.close()
    assert len(said) == 1 and said[0].startswith('recording ended: ')
    assert 'what was written before is in' in said[0] and 'r.part.mp4' in said[0]
    assert len(frames_of(tmp_path / 'r.part.mp4')) >= 5
    recorder.add(texture(), 99.0)  # the stream goes on


def test_lines(tmp_path):
    said = []
    lines = LineWriter(tmp_path / 'a' / 'r.jsonl', said.append)
    lines.write(dict(frame=0))
    assert json.loads(lines.path.read_text()) == dict(frame=0)  # there at once
    lines.write(dict(frame=1))
    lines.close()
    assert list(read_lines(lines.path)) == [dict(frame=0), dict(frame=1)]
    (tmp_path / 'full.jsonl').symlink_to('/dev/full')
    full = LineWriter(tmp_path / 'full.jsonl', said.append)
    full.write(dict(frame=0))
    full.write(dict(frame=1))
    assert not full.active and len(said) == 1
    assert 'full.jsonl: cannot be written further (No space left on device)' in said[0]
