"""Work-arounds for upstream breakages, each behind a version check.

:func:`setup` applies them all; importing ``medseg.engine`` does that, so a config that
names it in ``custom_imports`` needs nothing more. Each function says which upstream report it
answers; delete it when that is fixed in the oldest version supported.
"""
import functools
import importlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mmengine
import torch
from mmengine.device import is_mlu_available, is_musa_available, is_npu_available
from mmengine.dist import utils as dist_utils
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

from medseg.engine.checkpoint_file import read_checkpoint
from medseg.errors import UserError
from medseg.paths import make_projects_importable

MIN_TORCH = '2.6'
#: mmengine releases seen to need the work-arounds; a newer one is trusted to have its own fix.
LAST_BROKEN_MMENGINE = '0.10.7'


class StackError(UserError):
    """The installed packages do not fit together; the message says what to install."""


def _mmengine_is_broken() -> bool:
    return digit_version(mmengine.__version__) <= digit_version(LAST_BROKEN_MMENGINE)


def check_stack() -> None:
    """Fail early, with a remedy, on versions that cannot work.

    * torch before 2.6 cannot load mmengine's training checkpoints without also being willing to
      run code from them.
    * mmcv without compiled ops imports, and fails later with a missing ``mmcv._ext``.

    Raises:
        StackError: See above.
    """
    if digit_version(torch.__version__.split('+')[0]) < digit_version(MIN_TORCH):
        raise StackError(f'torch {torch.__version__} is too old to load checkpoints safely; '
                         f'install torch>={MIN_TORCH} and build mmcv again (see README)')
    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        raise StackError(
            f'mmcv has no compiled ops for torch {torch.__version__} ({error}); build them with '
            '`make install`, or: pip uninstall mmcv mmcv-lite; MMCV_WITH_OPS=1 pip install '
            '--no-cache-dir --no-build-isolation --no-deps mmcv==2.1.0') from error


def load_checkpoints_without_code() -> None:
    """Make mmengine load every local and downloaded checkpoint with ``weights_only=True``.

    mmengine leaves the choice to torch: its download path ends in
    ``torch.hub.load_state_dict_from_url``, whose own default is still ``weights_only=False``, and
    the variable ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` turns the local one off.
    Upstream: open-mmlab/mmengine issue 1655.
    """
    if not _mmengine_is_broken():
        return
    mmengine_checkpoint.CheckpointLoader.register_scheme('', read_checkpoint, force=True)
    mmengine_checkpoint.load_url = load_url


def load_url(url: str, model_dir: str | None = None, map_location: Any = None,
             progress: bool = True) -> Any:
    """Download a checkpoint into PyTorch's cache, once, and read it as :func:`read_checkpoint`.

    Args:
        url (str): Where it is; a hash in its name (``name-0123abcd.pth``) is checked.
        model_dir (str, optional): Folder to keep it in; default: PyTorch's cache.
        map_location: As in :func:`torch.load`.
        progress (bool): Show a progress bar.

    Raises:
        CheckpointError: The file is damaged or would run code.
        OSError: It cannot be downloaded.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    folder.mkdir(parents=True, exist_ok=True)
    cached = folder / Path(urlparse(url).path).name
    if not cached.is_file():
        found = torch.hub.HASH_REGEX.search(cached.name)
        torch.hub.download_url_to_file(url, str(cached), found.group(1) if found else None,
                                       progress=progress)
    return read_checkpoint(cached, map_location=map_location)


def _has_accelerator() -> bool:
    return (torch.cuda.is_available() or is_mlu_available() or is_npu_available()
            or is_musa_available())


def distribute_on_cpu() -> None:
    """Let ``--launcher pytorch`` train on a machine without an accelerator, over gloo.

    mmengine calls ``torch.cuda.set_device`` whatever the backend is, and gives
    ``DistributedDataParallel`` a device number, which it refuses for a model on the CPU.
    Upstream: open-mmlab/mmengine, ``_init_dist_pytorch`` and ``Runner.wrap_model``; no report yet.
    """
    if not _mmengine_is_broken() or hasattr(dist_utils._init_dist_pytorch, 'lmsfa_original'):
        return
    init_original, wrap_original = dist_utils._init_dist_pytorch, Runner.wrap_model

    @functools.wraps(init_original)
    def init(backend: str, init_backend: str = 'torch', **kwargs) -> None:
        if _has_accelerator():
            init_original(backend, init_backend=init_backend, **kwargs)
            return
        if backend == 'nccl':
            if os.environ.get('RANK', '0') == '0':
                print_log('no CUDA device: the processes talk over gloo, not nccl')
            backend = 'gloo'
        torch.distributed.init_process_group(backend=backend, **kwargs)

    @functools.wraps(wrap_original)
    def wrap(self: Runner, model_wrapper_cfg: dict | None, model: torch.nn.Module
             ) -> torch.nn.Module:
        if self.distributed and not is_model_wrapper(model) and not _has_accelerator():
            # mmengine's own defaults, but for the device number.
            model_wrapper_cfg = dict(model_wrapper_cfg or dict(
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False)))
            model_wrapper_cfg['device_ids'] = None
        return wrap_original(self, model_wrapper_cfg, model)

    init.lmsfa_original = init_original
    dist_utils._init_dist_pytorch = init
    Runner.wrap_model = wrap


@functools.cache
def setup() -> None:
    """Check the stack and apply every work-around, once.

    Raises:
        StackError: See :func:`check_stack`.
    """
    make_projects_importable()
    check_stack()
    load_checkpoints_without_code()
    distribute_on_cpu()
