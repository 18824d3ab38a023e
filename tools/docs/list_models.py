"""Write the tables of docs/models.md: one row a config.

`models` lists the configs for PELD with their parameters and FLOPs, `recipes` the others: the same
models with another recipe or another data set. Everything is read from the configs and the built
models; FLOPs = 2 x multiply-accumulates of one image, counted as tools/complexity.py does.

examples:
  python tools/docs/list_models.py                   # docs/models.md, all configs
  python tools/docs/list_models.py --check           # only: is every config listed?
"""
from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.utils import import_modules_from_strings
from rich.console import Console
from rich.progress import track
from torch import nn

from medseg.benchmark.complexity import count
from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.building import build_model
from medseg.errors import UserError
from medseg.tables import fill, markdown
from projects.lmsfa.paper import PAPER_TABLES

TITLE_NUMBERS = re.compile(r'Tables? ([IVX]+(?:(?:, | and )[IVX]+)*)')

ROMAN = ('I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X')


def find_configs(folder: Path) -> tuple[list[Path], list[Path]]:
    """All configs that train, sorted: those with the full recipe for PELD, and the others.

    A model trained by two recipes for PELD is among the first with the paper's own.
    """
    found = sorted(path for path in folder.rglob('*.py')
                   if not {'_base_', 'deploy'} & set(path.relative_to(folder).parts))
    models = [path for path in found
              if path.name.endswith('_1xb8-300e_peld.py')]
    return models, [path for path in found if path not in models]


def ordered(configs: Sequence[Path]) -> list[Path]:
    """The project's own models first, plain ones before their variants."""
    return sorted(configs, key=lambda path: ('lmsfa' not in path.parts, len(path.parts), path))


def first_sentence(path: Path) -> str:
    """The first line of a config's docstring, which says what it is.

    Raises:
        UserError: If there is no docstring.
    """
    match = re.match(r'"""(.+?)(?:\.?"""|\.?\n)', path.read_text(encoding='utf-8'))
    if match is None:
        raise UserError(f'{path}: starts without a docstring; say in one line what the config is')
    return match[1]


def paper_places(path: Path) -> str:
    """Numbers of the paper's tables with a row for a config, such as ``II, IV``."""
    places = {place for table in PAPER_TABLES.values()
              if any(row.config and Path(row.config).stem == path.stem for row in table.rows)
              for place in re.findall('[IVX]+', TITLE_NUMBERS.match(table.title)[1])}
    return ', '.join(sorted(places, key=ROMAN.index))


def origin(model: nn.Module) -> str:
    """Whose code a model's parts are: ``mmdet``, ``ours``, or mmdet with classes of ours."""
    parts = [part for part in model.children() if any(True for _ in part.parameters())]
    ours = [type(part).__name__ for part in parts
            if type(part).__module__.startswith('projects.')]
    if len(ours) == len(parts):
        return 'ours'
    return ' + '.join(['mmdet', *(f'`{name}`' for name in ours)])


def model_row(path: Path, document: Path, size: int) -> list[str]:
    """Cells of one config: link, what it is, whose code, tables, parameters, GFLOPs."""
    config = load_config(str(path))
    import_modules_from_strings(**config.custom_imports)
    model = build_model(config)
    whose = origin(model)
    counts = count(model, size, size)
    return [link(path, document), first_sentence(path), whose, paper_places(path),
            f'{counts.parameters:,}', f'{counts.flops / 1e9:.2f}']


def link(path: Path, document: Path) -> str:
    """Markdown link from the document to a config."""
    target = Path(os.path.relpath(path, document.parent)).as_posix()
    return f'[{path.stem}]({target})'


def missing(document: Path, configs: Sequence[Path]) -> list[Path]:
    """Configs that the document does not link to."""
    text = document.read_text(encoding='utf-8')
    return [path for path in configs if f'({link(path, document).split("](")[1]}' not in text]


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write both tables; returns 0, 1 if ``--check`` finds configs missing, 2 on wrong input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('document', type=Path, nargs='?', default=Path('docs/models.md'),
                        help='document with the tables `models` and `recipes` '
                        '(default: docs/models.md)')
    parser.add_argument('--configs', type=Path, default=Path('configs'), metavar='DIR',
                        help='folder of the configs (default: configs)')
    parser.add_argument('--size', type=int, default=640, metavar='PIXELS',
                        help='side of the image for which FLOPs are counted (default: 640)')
    parser.add_argument('--check', action='store_true',
                        help='count nothing, write nothing; list the configs without a row')
    args = parser.parse_args(argv)
    if not args.document.is_file():
        raise UserError(f'{args.document}: no such document')
    models, others = find_configs(args.configs)
    if not models:
        raise UserError(f'{args.configs}: no *_1xb8-300e_peld.py in this folder')
    if args.check:
        absent = missing(args.document, [*models, *others])
        for path in absent:
            print(f'{args.document}: no row for {path}', file=sys.stderr)
        return 1 if absent else 0
    compat.setup()
    steps = track(ordered(models), 'counting', console=Console(stderr=True), transient=True)
    rows = [model_row(path, args.document, args.size) for path in steps]
    header = ['config', 'what it is', 'code', 'paper, table', 'parameters', 'GFLOPs']
    fill(args.document, 'models', markdown(header, rows, words=4))
    fill(args.document, 'recipes', markdown(['config', 'what it is'], [
        [link(path, args.document), first_sentence(path)] for path in ordered(others)], words=2))
    print(f'{args.document}: {len(models)} models, {len(others)} other configs')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
