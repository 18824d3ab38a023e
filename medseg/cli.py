"""What the command-line tools share: configs, early checks of input, errors without tracebacks."""
import argparse
import difflib
import functools
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from medseg.configs import places
from medseg.errors import UserError, file_trouble
from medseg.paths import make_projects_importable, shipped_root

# Every tool imports this module before it imports a project, wherever it is started from.
make_projects_importable()

#: Settings that the tools know and few configs write out.
_SETTINGS_OF_THE_TOOLS = ('activation_checkpointing', 'auto_scale_lr', 'compile',
                          'find_unused_parameters', 'load_from', 'partial_start', 'resume',
                          'work_dir')


def reports_user_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Print wrong input as one line on stderr and return 2; other errors keep their traceback.

    So are files that cannot be read or written: a full disk, a read-only folder, no permission.
    """

    @functools.wraps(main)
    def wrapped(argv=None) -> int:
        # A log that cannot be written would otherwise print a traceback for each of its lines.
        logging.raiseExceptions = False
        try:
            return main(argv)
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
        except OSError as error:
            text = file_trouble(error)
            if text is None:
                raise
            print(f'error: {text}', file=sys.stderr)
        return 2

    return wrapped


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--docs`` and ``--table``: the place in a document that a tool's table goes to."""
    parser.add_argument('--docs', type=Path, help='write the table into this document')
    parser.add_argument('--table', metavar='NAME', help='with --docs: name of the table')


def check_table_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a usage error unless :func:`add_table_options`' two are given together."""
    if bool(args.docs) != bool(args.table):
        parser.error('--docs and --table belong together')


def run_tool(*command: str | Path) -> None:
    """Run one of the project's tools in a process of its own, and show it as a user would type it.

    Args:
        command (str | Path): ``tools/NAME.py`` and its arguments. Relative paths start at the
            folder of ``tools/`` and ``configs/``.

    Raises:
        SystemExit: With the tool's exit code, when it fails.
    """
    words = [str(word) for word in command]
    Console().rule(style='dim')
    Console().print(f'[bold]python {shlex.join(words)}[/bold]', highlight=False, soft_wrap=True)
    result = subprocess.run([sys.executable, *words], cwd=shipped_root())
    if result.returncode:
        raise SystemExit(result.returncode)


def newest(pattern: str, folder: Path) -> Path:
    """The file matching ``pattern`` that was written last.

    Raises:
        FileNotFoundError: If there is none.
    """
    files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not files:
        raise FileNotFoundError(f'{folder}/{pattern}: the step before wrote no such file')
    return files[-1]


def load_config(name: str, options: dict | None = None) -> Config:
    """Read a config.

    Args:
        name (str): Path, or ``package::path`` for a config that ships with a package, such as
            ``mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py``.
        options (dict, optional): ``--cfg-options``.

    Raises:
        UserError: The file is missing or is not Python.
    """
    if '::' in name:
        from mmengine.hub import get_config
        package, path = name.split('::', 1)
        try:
            config = get_config(f'{package}::{path}')
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f'{name}: no such config in package {package} ({error})') from error
    else:
        path = Path(name)
        if not path.is_file():
            folder = path.parent if path.parent.is_dir() else Path('configs')
            near = difflib.get_close_matches(
                path.name, [p.name for p in folder.rglob('*.py')], n=1, cutoff=0.6)
            hint = next((f'; did you mean {p}?' for p in folder.rglob(near[0])), '') \
                if near else '; configs are in configs/'
            raise UserError(f'{name}: no such config{hint}')
        try:
            config = Config.fromfile(name)
        except (SyntaxError, FileNotFoundError) as error:
            raise UserError(f'{name}: cannot be read: {error}') from error
    merge_options(config, options, name)
    return config


def merge_options(config: Config, options: dict | None, name: str) -> None:
    """Put ``--cfg-options`` into a config, and say which are new to it.

    Args:
        config (Config): Changed in place.
        options (dict, optional): By dotted name.
        name (str): Of the config, for messages.

    Raises:
        UserError: One of them has no place in the config.
    """
    for line in unknown_options(config, options or {}):
        print(f'note: {line}', file=sys.stderr)
    try:
        config.merge_from_dict(options or {})
    except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f'--cfg-options {" ".join(options)}: does not fit {name}: {error}'
                        ) from error


def unknown_options(config: Config, options: dict) -> list[str]:
    """Settings of ``--cfg-options`` that a config does not have, with the nearest that it has.

    mmengine takes any name, so a misspelt one would change nothing and say nothing.

    Args:
        config (Config): Before the options are merged in.
        options (dict): By dotted name.

    Returns:
        list[str]: One line for each.
    """
    lines = []
    for option in options:
        node, path = config, []
        for part in option.split('.'):
            if isinstance(node, (list, tuple)):
                node = node[int(part)] if part.isdecimal() and int(part) < len(node) else None
            elif not isinstance(node, (dict, Config)):
                break
            elif part in node:
                node = node[part]
            elif path or part not in _SETTINGS_OF_THE_TOOLS:
                near = difflib.get_close_matches(part, map(str, node), n=1, cutoff=0.6)
                hint = f'; did you mean {".".join([*path, near[0]])}?' if near else ''
                lines.append(f'--cfg-options {option}: {".".join([*path, part])} is new to the '
                             f'config{hint}')
                break
            path.append(part)
    return lines


def check_data(config: Config, loaders: tuple[str, ...]) -> None:
    """Stop before a run starts when annotation files or image folders are missing.

    Args:
        config (Config): A full config.
        loaders (tuple[str, ...]): Which of its loaders will run, such as ``train_dataloader``.

    Raises:
        UserError: Names the file, the place in the config and how to change it.
    """
    for key, dataset in places(config, *loaders):
        if (dataset.get('backend_args') or {}).get('backend', 'local') != 'local':
            continue
        root = Path(dataset.get('data_root') or '.')
        _require(root, key, 'ann_file', dataset.get('ann_file'), Path.exists)
        for name, value in (dataset.get('data_prefix') or {}).items():
            _require(root, key, f'data_prefix.{name}', value, Path.is_dir)
    for loader in loaders:
        evaluator = loader.replace('_dataloader', '_evaluator')
        metrics = config.get(evaluator) or []
        single = isinstance(metrics, dict)
        for i, metric in enumerate([metrics] if single else metrics):
            _require(Path('.'), evaluator if single else f'{evaluator}.{i}', 'ann_file',
                     metric.get('ann_file'), Path.exists)


def _require(root: Path, key: str, field: str, value: str | None, exists: Callable) -> None:
    """Raise unless ``root / value`` exists; empty and remote values are not checked."""
    if not value or '://' in str(value) or '://' in str(root) or exists(root / value):
        return
    options = f'{key}.{field}=PATH'
    if field != 'ann_file' or root != Path('.'):
        options = f'{key}.data_root=DIR {options}'
    raise UserError(f'{root / value}: no such file or folder ({key}.{field} of the config). Put '
                    f'the data there, or name it: --cfg-options {options}')
