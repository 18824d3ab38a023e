"""Files that cannot be written: a sentence, exit code 2, nothing half-written."""
import errno
import os
import resource
import subprocess
import sys

import pytest
from mmengine.config import Config
from tool_runs import ROOT

from medseg.cli import load_config, reports_user_errors, unknown_options
from medseg.errors import UserError


@pytest.mark.parametrize('code, words', [
    (errno.ENOSPC, 'x.pth: cannot be written, the disk is full'),
    (errno.EDQUOT, 'share of the disk is used up'), (errno.EROFS, 'the file system is read-only'),
    (errno.EACCES, 'is closed to you'), (errno.EFBIG, 'files may not become that large'),
    (errno.EISDIR, 'is a folder; name a file'), (errno.ENAMETOOLONG, 'has too long a name')])
def test_sentences(capsys, code, words):
    @reports_user_errors
    def tool(argv=None):
        raise OSError(code, os.strerror(code), 'x.pth')

    assert tool() == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ') and said.count('\n') == 1 and words in said


def test_other_errors_keep_their_traceback():
    @reports_user_errors
    def tool(argv=None):
        raise OSError(errno.ECONNRESET, 'a peer went away')

    with pytest.raises(OSError, match='a peer went away'):
        tool()


def run_limited(size: int, *words):
    """A tool in a process whose files may have ``size`` bytes, as a disk that is nearly full."""
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def everything_in(folder):
    return sorted(path.name for path in folder.rglob('*'))


def test_training_on_a_full_disk(tiny_config, tmp_path):
    result = run_limited(300_000, 'tools/train.py', tiny_config, '--work-dir', tmp_path / 'work')
    assert result.returncode == 2, result.stderr[-2000:]
    assert 'Traceback' not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith('error: ')
    assert 'files may not become that large' in result.stderr
    left = everything_in(tmp_path / 'work')
    assert not any(name.endswith(('.pth', '.part', '.partial', '.tmp')) for name in left)


def test_places_that_are_no_folder(error_of, tiny_config, tmp_path):
    (tmp_path / 'file').write_text('')
    for place in (tmp_path / 'file', tmp_path / 'file' / 'below', '/proc/none/at/all'):
        error = error_of('tools/train.py', tiny_config, '--work-dir', place)
        assert str(place).removesuffix('/below') in error or '/proc/none' in error


def test_fuse_on_a_full_disk(tiny_config, trained, tmp_path):
    result = run_limited(100_000, 'tools/models/fuse.py', tiny_config, trained / 'epoch_4.pth',
                         tmp_path / 'fused.pth')
    assert result.returncode == 2 and 'Traceback' not in result.stderr
    assert 'files may not become that large' in result.stderr
    assert everything_in(tmp_path) == []


CONFIG = Config(dict(train_cfg=dict(max_epochs=3), model=dict(head=[dict(num_classes=2)], neck='x'),
                     optim_wrapper=dict(optimizer=dict(lr=0.1))))


@pytest.mark.parametrize('option, line', [
    ('train_cfg.max_epochs', None), ('model.head.0.num_classes', None), ('load_from', None),
    ('train_cfg.max_epoch', 'did you mean train_cfg.max_epochs?'),
    ('train_cgf.max_epochs', 'train_cgf is new to the config; did you mean train_cfg?'),
    ('optim_wrapper.optimiser.lr', 'did you mean optim_wrapper.optimizer?'),
    ('model.head.0.num_class', 'did you mean model.head.0.num_classes?'),
    ('model.something.else', 'model.something is new to the config')])
def test_misspelt_options_are_named(option, line):
    found = unknown_options(CONFIG, {option: 1})
    assert (found == []) if line is None else (len(found) == 1 and found[0].endswith(line))


def test_tools_say_it(tmp_path, capsys):
    (tmp_path / 'c.py').write_text('train_cfg = dict(max_epochs=3)\nlevels = [1, 2]\n')
    config = load_config(str(tmp_path / 'c.py'), {'train_cfg.max_epoch': 5})
    assert config.train_cfg == dict(max_epochs=3, max_epoch=5)
    assert 'did you mean train_cfg.max_epochs?' in capsys.readouterr().err
    with pytest.raises(UserError, match='--cfg-options levels.7.x: does not fit'):
        load_config(str(tmp_path / 'c.py'), {'levels.7.x': 5})
