"""A tiny training that the tests of the tools share."""
from pathlib import Path

import pytest
from tool_runs import run_tool, write_tiny_config


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
