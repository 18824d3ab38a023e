"""A tiny training that the tests of the tools share."""
from pathlib import Path

import pytest
from tool_runs import load_tool, run_tool, write_tiny_config


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory) -> Path:
    """Config of a four-epoch training with mosaic, weight averaging and evaluation."""
    return write_tiny_config(tmp_path_factory.mktemp('tiny'))


@pytest.fixture(scope='session')
def trained(tiny_config) -> Path:
    """Work dir of that training, done once with tools/train.py."""
    work = tiny_config.parent / 'work'
    run_tool('tools/train.py', tiny_config, '--work-dir', work)
    return work


@pytest.fixture
def error_of(capsys, monkeypatch):
    """Factory: the line that a tool prints about wrong input, which must be all it does."""
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tools set it; this takes it back

    def run(tool: str, *words) -> str:
        capsys.readouterr()
        assert load_tool(tool).main([str(word) for word in words]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and lines[0].startswith('error: ')
        return lines[0]

    return run
