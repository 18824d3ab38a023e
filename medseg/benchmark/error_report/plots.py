"""Plots of the error report, as SVG elements."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from medseg.benchmark.plots import COLOURS, svg
from medseg.runtime.palette import class_colors

KINDS = {'segm': 'masks', 'bbox': 'boxes'}


def _colors(names: Sequence[str]) -> list[tuple[float, ...]]:
    # Colours of overlays may be too light for lines on white.
    return [tuple(min(value / 255, 0.8) for value in color) for color in class_colors(list(names))]


def _plain(axes) -> None:
    axes.grid(alpha=0.3)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def gains(documents: Sequence[Mapping], kinds: Sequence[str], causes: Sequence[str]) -> str:
    """Bars of what mending each cause gains, with intervals: a colour per model and kind."""
    series = [(f'{d["label"]}, {KINDS[k]}' if len(documents) > 1 else KINDS[k],
               d['causes'][k]['gains']) for d in documents for k in kinds if k in d['causes']]
    figure = Figure(figsize=(8.5, 1 + 0.28 * len(causes) * (len(series) + 0.6)),
                    layout='constrained')
    axes, width = figure.subplots(), 0.8 / max(len(series), 1)
    for number, (label, found) in enumerate(series):
        for place, cause in enumerate(causes):
            value, ends = found[cause]['value'], found[cause]['interval']
            y = place + (number - (len(series) - 1) / 2) * width
            axes.barh(y, 100 * (value or 0), height=0.85 * width, label=label if not place else '',
                      color=COLOURS[number % len(COLOURS)])
            right = 100 * (value or 0)
            if ends:
                axes.plot([100 * e for e in ends], [y, y], color='#222222', linewidth=1)
                right = max(right, 100 * ends[1])
            axes.annotate('-' if value is None else f'{100 * value:.1f}', (right, y),
                          xytext=(4, 0), textcoords='offset points', va='center', fontsize=8)
    axes.set_yticks(range(len(causes)), causes, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(x=0.1)
    axes.set_xlabel('points of AP at IoU 0.5 that mending this cause alone would gain', fontsize=9)
    _plain(axes)
    if len(series) > 1:
        axes.legend(fontsize=8, frameon=False)
    return svg(figure)


def curves(document: Mapping) -> str:
    """Precision over recall, and F1 over the score, by class; the chosen score is marked."""
    found, names = document['curves'], list(document['curves']['classes'])
    figure = Figure(figsize=(10.5, 3.8), layout='constrained')
    left, right = figure.subplots(1, 2)
    for name, color in zip(names, _colors(names), strict=True):
        row = found['classes'][name]
        left.plot(found['recalls'], row['precision_at'], label=name, color=color, linewidth=1.6)
        right.plot(found['confidences'], row['f1'], color=color, linewidth=1.4)
    if len(names) > 1:
        right.plot(found['confidences'], found['mean_f1'], color='#222222', linewidth=2,
                   label='mean of classes')
    right.axvline(document['score_thr'], color='#888888', linestyle='--', linewidth=1,
                  label=f'score {document["score_thr"]:.2f}')
    left.set(xlabel='recall', ylabel='precision', title='Precision and recall, IoU 0.5')
    right.set(xlabel='detections from this score on', ylabel='F1', title='F1 by score, IoU 0.5')
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        _plain(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, frameon=False)
    return svg(figure)


def reliability(document: Mapping) -> str:
    """Share that is right over the mean score of each bin, and how many detections it holds."""
    found = document['calibration']['all']
    edges = np.array(found['edges'])
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    figure = Figure(figsize=(6, 4.6), layout='constrained')
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color='#888888', linestyle='--', linewidth=1,
               label='scores that keep their promise')
    known = [(c, a, n) for c, a, n in zip(found['confidence'], found['accuracy'], found['counts'],
                                          strict=True) if n]
    upper.bar(middle, [a or 0 for a in found['accuracy']], width=0.9 * width, color=COLOURS[4],
              label='right at IoU 0.5')
    upper.plot([c for c, _, _ in known], [a for _, a, _ in known], 'o', color=COLOURS[0],
               markersize=4, label='at the mean score of the bin')
    upper.set(ylabel='share that is right', xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(fontsize=8, frameon=False, loc='upper left')
    lower.bar(middle, found['counts'], width=0.9 * width, color='#bbbbbb')
    for x, count in zip(middle, found['counts'], strict=True):
        lower.annotate(f'{count}', (x, max(count, 1)), ha='center', va='bottom', fontsize=7)
    lower.set_yscale('symlog')
    lower.set_ylim(0, 20 * max([*found['counts'], 1]))
    lower.set_yticks([])
    lower.set_yticks([], minor=True)
    lower.set(xlabel='score', ylabel='detections')
    for axes in (upper, lower):
        _plain(axes)
    return svg(figure)
