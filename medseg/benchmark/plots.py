"""The paper's Figures 6 to 10 from our figures, and training and precision-recall curves, as SVG.

Figure 6: bars of parameters, operations and FPS, and operations against FPS. Figure 7: bars of
the ablation's parameters, part of the same plot. Figures 8 to 10: bars of mask mAP50, mAP50-95,
precision and AR of the attentions, C2f variants and heads. The paper's own figures stand beside
ours as outlined bars where it prints them.
"""
from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from medseg.metrics.power import POWER, t_power

COLOURS = ('#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#bbbbbb', '#222222')


def svg(figure: Figure) -> str:
    """The figure as an SVG element; text stays text, and the same figure gives the same bytes."""
    out = io.StringIO()
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'benchmark'}):
        figure.savefig(out, format='svg', bbox_inches='tight', metadata={
            'Date': None, 'Creator': None, 'Format': None, 'Type': None})
    text = out.getvalue()
    return text[text.index('<svg'):]


def power_curves(sd: float, differences: Sequence[float], level: float, most: int = 200) -> str:
    """Power of a paired t test against the number of patients, a curve for each difference.

    Args:
        sd (float): Of the difference over patients, in points.
        differences (Sequence[float]): Points.
        level (float): Of significance.
        most (int): Right end of the axis.
    """
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes, sizes = figure.subplots(), range(2, most + 1)
    for difference, colour in zip(differences, itertools.cycle(COLOURS)):
        axes.plot(sizes, [t_power(n, difference, sd, level) for n in sizes], color=colour,
                  label=f'{difference:g} points')
    axes.axhline(POWER, color='#bbbbbb', linewidth=0.8)
    axes.set(xlabel='patients', ylabel='power', ylim=(0, 1.02), xlim=(0, most),
             title=f'Standard deviation over patients {sd:.1f} points, level {level:g}')
    axes.legend(fontsize=8)
    return svg(figure)


def batch_curves(found: dict[str, dict[str, dict]], figure_name: str) -> str:
    """Accuracy against batch size, a line per model, bars of one SD over seeds.

    Accumulated steps stand at the images of a pass, as hollow marks.

    Args:
        found (dict): By model and batch (``4``, ``1x8``): ``mean`` and ``spread``, in percent.
        figure_name (str): For the axis.
    """
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    for (model, row), colour in zip(found.items(), itertools.cycle(COLOURS)):
        plain = sorted((int(batch), cell) for batch, cell in row.items() if 'x' not in batch)
        added = sorted((int(batch.split('x')[0]), cell) for batch, cell in row.items()
                       if 'x' in batch)
        for points, style, name in ((plain, dict(marker='o'), model),
                                    (added, dict(marker='o', mfc='none', ls=''), None)):
            if points:
                axes.errorbar([batch for batch, _ in points], [c['mean'] for _, c in points],
                              [c['spread'] or 0 for _, c in points], color=colour, capsize=2,
                              label=name, **style)
    axes.set_xscale('log', base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.set(xlabel='images per pass', ylabel=f'{figure_name}, %',
             title='Hollow: gradients accumulated to a larger step')
    axes.legend(fontsize=8)
    return svg(figure)


def _label(row: dict[str, Any]) -> str:
    title = row['title']
    return title.split('_1xb8')[0] if len(title) > 24 else title


def _bars(axes, rows: list[dict], own: Callable[[dict], float | None], paper: str | None,
          title: str) -> None:
    """Horizontal bars, the first row on top; the paper's figure as an outline."""
    for place, row in enumerate(rows):
        value = own(row)
        printed = row['paper'].get(paper) if paper else None
        if printed is not None:
            axes.barh(place, printed, height=0.85, fill=False, edgecolor='#222222', linewidth=0.8)
        if value is not None:
            axes.barh(place, value, height=0.6, color=COLOURS[0])
            axes.annotate(f'{value:.4g}', (value, place), xytext=(3, 0), va='center',
                          textcoords='offset points', fontsize=7)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set_title(title, fontsize=9)
    axes.tick_params(axis='x', labelsize=7)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def growth(curves: dict[str, tuple[list[float], list[float], str]], unit: str) -> str:
    """Curves on two logarithmic axes, one panel each, with the line of linear growth.

    Args:
        curves (dict): By title: sizes, values and the name of the sizes' axis; sizes of 0 are left
            out.
        unit (str): Name of the values' axis.

    Returns:
        str: An SVG element.
    """
    figure = Figure(figsize=(3.4 * len(curves), 3), layout='constrained')
    for axes, (title, (sizes, values, name)) in zip(
            figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
        points = [point for point in zip(sizes, values, strict=True) if point[0] > 0]
        axes.loglog(*zip(*points, strict=True), marker='o', color=COLOURS[0])
        (first, value), last = points[-1], points[0][0]
        axes.loglog([last, first], [value * last / first, value], ':', color=COLOURS[6],
                    label='linear')
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(name, fontsize=8)
        axes.set_ylabel(unit, fontsize=8)
        axes.legend(fontsize=7)
        axes.tick_params(labelsize=7)
    return svg(figure)


def efficiency(report: dict[str, Any]) -> str | None:
    """Figures 6 and 7: parameters, operations, FPS. None without any."""
    rows = [row for row in report['rows'] if row['own'].get('params_m') or row['own'].get('fps')]
    if not rows:
        return None
    panels = [('params_m', 'parameters, M'), ('gflops', "GFLOPs, the paper's convention and size"),
              ('fps', 'FPS, batch 1')]
    panels = [p for p in panels if any(p[0] in row['own'] for row in rows)]
    figure = Figure(figsize=(4 * len(panels), 1.4 + 0.28 * len(rows)), layout='constrained')
    for axes, (key, title) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels,
                                  strict=True):
        _bars(axes, rows, lambda row, k=key: row['own'].get(k), key, title)
    figure.suptitle('Size, operations and speed (outlined: the paper)', fontsize=10)
    return svg(figure)


def trade_off(report: dict[str, Any]) -> str | None:
    """Figure 6, lower part: operations against FPS; circles grow with the parameters."""
    points = [(row, row['complexity']['flops'] / 1e9, row['own']['fps']) for row in report['rows']
              if row.get('complexity') and 'fps' in row['own']]
    if not points:
        return None
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    axes = figure.subplots()
    for index, (row, flops, fps) in enumerate(points):
        axes.scatter(flops, fps, s=20 + 6 * row['own'].get('params_m', 1), alpha=0.8,
                     color=COLOURS[index % len(COLOURS)], label=_label(row),
                     marker='os^Dv'[index // len(COLOURS) % 5])
    axes.margins(0.1)
    # Names beside the plot: on it those of models alike would cover each other or leave it.
    for handle in axes.legend(loc='center left', bbox_to_anchor=(1, 0.5), fontsize=7,
                              frameon=False).legend_handles:
        handle.set_sizes([30])
    if max(flops for _, flops, _ in points) > 5 * min(flops for _, flops, _ in points):
        axes.set_xscale('log')
    # 1.3 and not 1.3 x 10^0.
    for numbers in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        numbers(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.tick_params(axis='x', which='both', labelsize=7)
    axes.set(xlabel='GFLOPs (2 × MACs, one size for all)', ylabel='FPS, batch 1')
    axes.grid(alpha=0.3)
    return svg(figure)


def accuracy(report: dict[str, Any]) -> str | None:
    """Figures 8 to 10: mask mAP50, mAP50-95, precision and AR. None without accuracies."""
    rows = [row for row in report['rows'] if 'mask_map' in row['own']]
    if not rows:
        return None
    panels = (('mask_map50', 'mask mAP50, %'), ('mask_map', 'mask mAP50-95, %'),
              ('mask_precision', 'mask precision, %'), ('mask_ar', 'mask AR@100, %'))
    figure = Figure(figsize=(14, 1.4 + 0.3 * len(rows)), layout='constrained')
    for axes, (key, title) in zip(figure.subplots(1, 4), panels, strict=True):
        _bars(axes, rows, lambda row, k=key: row['own'].get(k), key, title)
        for place, row in enumerate(rows):
            ends = row['accuracy']['intervals'].get(key)
            if ends:
                axes.plot(ends, [place + 0.22] * 2, color='#222222', linewidth=1.2)
    printed = any(key in row['paper'] for row in rows for key, _ in panels)
    figure.suptitle(f'Accuracy ({"outlined: the paper; " if printed else ""}lines: 95 % '
                    'intervals)', fontsize=10)
    return svg(figure)


def per_class(report: dict[str, Any]) -> str | None:
    """Mask AP of each class."""
    rows = [row for row in report['rows'] if (row.get('accuracy') or {}).get('per_class')]
    if not rows or len(rows[0]['accuracy']['per_class']) < 2:
        return None
    names = list(rows[0]['accuracy']['per_class'])
    figure = Figure(figsize=(3.5 * len(names), 1.4 + 0.3 * len(rows)), layout='constrained')
    for axes, name in zip(figure.subplots(1, len(names)), names, strict=True):
        _bars(axes, rows, lambda row, n=name: row['accuracy']['per_class'].get(n), None,
              f'{name.replace("_", " ")}: mask AP, %')
    return svg(figure)


def curves(report: dict[str, Any]) -> str | None:
    """Loss and validation mask mAP over the epochs."""
    rows = [row for row in report['rows'] if (row.get('accuracy') or {}).get('curves')]
    panels = [(key, title) for key, title in (('loss', 'training loss'), (
        'segm_mAP', 'validation mask mAP')) if any(r['accuracy']['curves'].get(key) for r in rows)]
    if not panels:
        return None
    figure = Figure(figsize=(6 * len(panels), 4), layout='constrained')
    for axes, (key, title) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels,
                                  strict=True):
        for index, row in enumerate(rows):
            points = row['accuracy']['curves'].get(key)
            if points:
                axes.plot(*zip(*points, strict=True), label=_label(row), linewidth=1.2,
                          color=COLOURS[index % len(COLOURS)], marker='.', markersize=3,
                          linestyle=('-', '--', ':')[index // len(COLOURS) % 3])
        axes.set(xlabel='epoch', title=title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=6)
    return svg(figure)


def precision_recall(report: dict[str, Any]) -> str | None:
    """Precision against recall of masks at IoU 0.5, one panel a class."""
    rows = [row for row in report['rows'] if (row.get('accuracy') or {}).get('precision_recall')]
    if not rows:
        return None
    names = list(rows[0]['accuracy']['precision_recall'])
    figure = Figure(figsize=(3.6 * len(names), 3.4), layout='constrained')
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for index, row in enumerate(rows):
            values = row['accuracy']['precision_recall'].get(name)
            if values:
                levels = [i / (len(values) - 1) for i in range(len(values))]
                axes.plot(levels, values, label=_label(row), linewidth=1.2,
                          color=COLOURS[index % len(COLOURS)],
                          linestyle=('-', '--', ':')[index // len(COLOURS) % 3])
        axes.set(xlabel='recall', ylabel='precision', title=name, xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    axes.legend(fontsize=6)
    return svg(figure)


PLOTS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    'Size, operations, speed (the paper’s Figures 6 and 7)': efficiency,
    'FLOPs against FPS (Figure 6)': trade_off,
    'Accuracy (Figures 8 to 10)': accuracy,
    'Classes': per_class,
    'Training': curves,
    'Precision and recall at IoU 0.5': precision_recall,
}


def draw(report: dict[str, Any]) -> dict[str, str]:
    """All plots that the data allows: heading → SVG element."""
    drawn = {heading: plot(report) for heading, plot in PLOTS.items()}
    return {heading: svg for heading, svg in drawn.items() if svg}
