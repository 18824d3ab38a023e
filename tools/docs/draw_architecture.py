"""Draw the picture of docs/architecture.md from the imports in the source.

A box is a part of the project; it stands above everything that it imports. An arrow is an import;
those that follow from others are left out.

    python tools/docs/draw_architecture.py --out docs/images/architecture.svg
"""
from __future__ import annotations

import argparse
import ast
import io
from collections.abc import Iterator
from pathlib import Path

from matplotlib import rcParams
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from medseg.io import write_text

ROOT = Path(__file__).resolve().parents[2]
#: Parts of the library from the ground up; a part imports from floors below its own, no other.
FLOORS = (
    {'errors', 'paths'}, {'io'}, {'tables', 'runtime'}, {'live', 'data'},
    {'metrics', 'models', 'configs'}, {'cli'}, {'engine'}, {'deploy', 'benchmark'})
#: What everything may import; drawn as one strip, without the arrows to it.
GROUND = {'errors', 'io', 'paths', 'tables'}
COLORS = {'tools': '#d9d2e9', 'projects': '#fce5cd', 'medseg': '#d0e4f7'}
WIDTH, HEIGHT = 2.1, 1.0


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a file of the project imports."""
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[:len(package) - node.level + 1]) if node.level else []
            name = '.'.join([*base, *([node.module] if node.module else [])])
            yield node.lineno, name
            if name in ('medseg', 'projects') or node.module is None:
                yield from ((node.lineno, f'{name}.{alias.name}') for alias in node.names)


def part_of(name: str) -> str | None:
    """The part that a dotted module name belongs to; None for other packages."""
    words = name.split('.')
    if words[0] == 'tools':
        return 'tools'
    if words[0] not in ('medseg', 'projects') or len(words) < 2 or words[1] == '__init__':
        return None
    known = set().union(*FLOORS)
    return '.'.join(words[:2]) if words[0] == 'projects' or words[1] in known else None


def part_arrows() -> dict[str, set[str]]:
    """What each part imports of the others."""
    arrows: dict[str, set[str]] = {}
    for folder in ('tools', 'projects', 'medseg'):
        for path in (ROOT / folder).rglob('*.py'):
            own = part_of('.'.join(path.relative_to(ROOT).with_suffix('').parts))
            if own:
                found = arrows.setdefault(own, set())
                found |= {part for _, name in imports(path) if (part := part_of(name))} - {own}
    return arrows


def reduced(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that do not follow from others."""
    def below(part: str) -> set[str]:
        return set().union(*({other} | below(other) for other in arrows.get(part, ())), set())

    return {part: {other for other in found
                   if not any(other in below(third) for third in found - {other})}
            for part, found in arrows.items()}


def places(parts: set[str]) -> dict[str, tuple[float, float]]:
    """Middle of each part's box: the tools on top, the projects, and the floors of the library."""
    rows = [sorted(f'medseg.{part}' for part in floor - GROUND) for floor in FLOORS]
    projects = sorted(part for part in parts if part.startswith('projects.'))
    rows += [['projects.baselines'], [p for p in projects if p != 'projects.baselines'], ['tools']]
    rows = [row for row in rows if row]
    return {part: ((column - (len(row) - 1) / 2) * WIDTH, (level + 1) * HEIGHT)
            for level, row in enumerate(rows) for column, part in enumerate(row)}


def draw() -> str:
    """The picture as SVG."""
    ground = {f'medseg.{part}' for part in GROUND}
    arrows = {part: found - ground for part, found in reduced(part_arrows()).items()
              if part not in ground}
    at = places(set(arrows))
    figure = Figure(figsize=(8, 8), layout='constrained')
    axes = figure.add_subplot()
    axes.set_axis_off()
    for part, others in sorted(arrows.items()):
        for other in sorted(others):
            (x, y), (x2, y2) = at[part], at[other]
            bend = 0.0 if y - y2 < 1.5 * HEIGHT else 0.12 * (1 if x2 >= x else -1)
            axes.annotate('', (x2, y2 + 0.2), (x, y - 0.2), zorder=1, arrowprops=dict(
                arrowstyle='-|>', color='#777777', shrinkA=0, shrinkB=0, linewidth=0.9,
                connectionstyle=f'arc3,rad={bend}'))
    for part, (x, y) in at.items():
        axes.text(x, y, part.removeprefix('medseg.'), ha='center', va='center', fontsize=10,
                  zorder=2, bbox=dict(boxstyle='round,pad=0.5', edgecolor='#777777',
                                      facecolor=COLORS[part.split('.')[0]]))
    axes.text(0, 0, '   '.join(sorted(GROUND)), ha='center', va='center', fontsize=10, zorder=2,
              bbox=dict(boxstyle='square,pad=0.6', facecolor='#e8e8e8', edgecolor='#777777'))
    reach = max(abs(x) for x, _ in at.values()) + 1
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-0.5, max(y for _, y in at.values()) + 0.5)
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={'Date': None})
    return '\n'.join(line.rstrip() for line in buffer.getvalue().splitlines()) + '\n'


def main(argv=None) -> int:
    """Draw; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, help='the .svg file')
    args = parser.parse_args(argv)
    rcParams['svg.fonttype'] = 'none'  # text stays text
    rcParams['svg.hashsalt'] = 'architecture'  # the same picture has the same bytes
    write_text(args.out, draw())
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
