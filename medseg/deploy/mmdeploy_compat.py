"""Work-arounds for MMDeploy 1.3.1 with current PyTorch, each behind a version check.

Delete a function here when what it answers is fixed in the oldest version supported.
"""
from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import mmdeploy
import torch
from mmengine.utils import digit_version

#: MMDeploy releases seen to need the work-arounds; a newer one is trusted to have its own fix.
LAST_BROKEN_MMDEPLOY = '1.3.1'


def _mmdeploy_is_broken() -> bool:
    return digit_version(mmdeploy.__version__) <= digit_version(LAST_BROKEN_MMDEPLOY)


def give_rewriter_its_own_list() -> None:
    """Let the rewriter context close.

    MMDeploy takes ``torch.fx._symbolic_trace._wrapped_fns_to_patch`` for a list and calls
    ``pop(-1)``; in current torch it is a dict, so the context closes with ``KeyError: -1``. An
    ONNX export traces nothing with torch.fx, so an empty list of the rewriter's own will do.
    Upstream: open-mmlab/mmdeploy, ``core/rewriters/function_rewriter.py``.
    """
    from mmdeploy.core.rewriters import function_rewriter
    if _mmdeploy_is_broken() and isinstance(function_rewriter._wrapped_fns_to_patch, dict):
        function_rewriter._wrapped_fns_to_patch = []


@contextmanager
def tracing_exporter() -> Iterator[None]:
    """Within it, ``torch.onnx.export`` is the tracing exporter that MMDeploy's rewriters serve.

    ``dynamo`` is True by default since torch 2.9, and MMDeploy does not pass it. The new exporter
    knows nothing of MMDeploy's symbolic functions.
    Upstream: open-mmlab/mmdeploy, ``apis/onnx/export.py``.
    """
    original = torch.onnx.export
    if _mmdeploy_is_broken() and digit_version(torch.__version__.split('+')[0]
                                               ) >= digit_version('2.5'):
        torch.onnx.export = functools.partial(original, dynamo=False)
    try:
        yield
    finally:
        torch.onnx.export = original


@functools.cache
def setup() -> None:
    """Apply the work-arounds that stay, once."""
    give_rewriter_its_own_list()
