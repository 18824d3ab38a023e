"""The robustness report: tables, curves, what each severity looks like, worst cases; one file."""
from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import cv2
import jinja2
import numpy as np
from matplotlib.figure import Figure

from medseg.tables import markdown

from .robustness import FIGURES


def cell(row: Mapping, form: str = '.1f') -> str:
    """A figure in percent with its interval; '-' where it is undefined."""
    if row['value'] is None:
        return '-'
    text = f'{100 * row["value"]:{form}}'
    if row['interval']:
        text += ' ({0:{form}} to {1:{form}})'.format(*(100 * v for v in row['interval']),
                                                      form=form)
    return text


def table(summary: Mapping) -> str:
    """Markdown: clean, mPC and rPC of every figure, and differences from the reference."""
    header = ['model'] + [f'{figure}, {what}' for figure in FIGURES
                          for what in ('clean', 'mPC', 'rPC')]
    parts = [markdown(header, [
        [model['label'], *(cell(model['figures'][figure][what]) for figure in FIGURES
                           for what in ('clean', 'mpc', 'rpc'))] for model in summary['models']])]
    if summary['reference'] is not None:
        parts.append(markdown(
            [f'less {summary["reference"]}', *(f'{figure}, {what}' for figure in FIGURES
                                               for what in ('mPC', 'rPC'))],
            [[model['label'], *(cell(model['figures'][figure][f'{what}_difference'], '+.1f')
                                for figure in FIGURES for what in ('mpc', 'rpc'))]
             for model in summary['models'] if model['label'] != summary['reference']]))
    parts.append(f'Percent; in brackets 95 % intervals by bootstrap over the {summary["unit"]}s '
                 'of the test set, the same draws for all models and conditions.')
    return '\n\n'.join(parts)


def corruption_table(summary: Mapping, figure: str = 'mask mAP') -> str:
    """Markdown: the mean over severities of one figure, a row per corruption."""
    models = summary['models']
    names = list(models[0]['figures'][figure]['corruptions'])
    return markdown(['corruption', *(model['label'] for model in models)], [
        [name, *(cell(model['figures'][figure]['corruptions'][name]) for model in models)]
        for name in names])


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()


def curves(summary: Mapping, severities: Sequence[int], figure: str = 'mask mAP') -> str:
    """PNG as base64: one small plot per corruption, a line per model, from clean to severe."""
    models = summary['models']
    names = list(models[0]['figures'][figure]['curve'])
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    drawing = Figure(figsize=(3 * columns, 2.3 * rows + 0.5), layout='constrained')
    axes = np.atleast_1d(drawing.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for axis, name in zip(axes, names, strict=False):
        for model in models:
            entry = model['figures'][figure]
            axis.plot([0, *severities], [100 * v for v in (entry['clean']['value'],
                                                           *entry['curve'][name])],
                      marker='o', markersize=3, label=model['label'])
        axis.set_title(name.replace('_', ' '), fontsize=9)
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    for axis in axes[len(names):]:
        axis.set_axis_off()
    drawing.supxlabel('severity', fontsize=9)
    drawing.supylabel(f'{figure}, percent', fontsize=9)
    drawing.legend(*axes[0].get_legend_handles_labels(), loc='outside upper center', fontsize=8,
                   ncols=min(4, len(models)))
    return _png(drawing)


def contact_sheet(images: Mapping[str, Sequence[np.ndarray]], severities: Sequence[int],
                  width: int = 200) -> np.ndarray:
    """What each corruption looks like: a row each, a column per severity; BGR uint8.

    Args:
        images: By corruption, the image at each severity.
        severities: Their numbers, for the heading.
        width: Of one picture in pixels.
    """
    rows = []
    for name, pictures in images.items():
        small = [cv2.resize(p, (width, round(p.shape[0] * width / p.shape[1])),
                            interpolation=cv2.INTER_AREA) for p in pictures]
        label = np.full((small[0].shape[0], 130, 3), 255, np.uint8)
        cv2.putText(label, name.replace('_', ' '), (6, label.shape[0] // 2),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        rows.append(np.hstack([label, *small]))
    head = np.full((24, rows[0].shape[1], 3), 255, np.uint8)
    for place, severity in enumerate(severities):
        cv2.putText(head, f'severity {severity}', (140 + place * width, 16),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([head, *rows])


TEMPLATE = jinja2.Environment(autoescape=True).from_string('''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Robustness</title><style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1250px; margin: 2em auto;
 padding: 0 1em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9em }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left } img { max-width: 100% }
figure { display: inline-block; margin: 0 1em 1em 0; width: 380px; vertical-align: top }
.scroll { overflow-x: auto }
</style></head><body><h1>Robustness to corrupted images</h1>
<p>Every corruption is applied to the image as read, at severities {{ severities|join(', ') }}, the
same way for every model; the masks stay true. <b>mPC</b> is the mean over corruptions and
severities, <b>rPC</b> its share of the clean figure: 100 % would be a model that does not mind.
{{ images }} images.</p>
{% for title, grid in grids %}<h2>{{ title }}</h2><div class="scroll"><table>
{% for row in grid %}<tr>{% for value in row %}{% if loop.first or row is sameas
grid[0] %}<th>{{ value }}</th>{% else %}<td>{{ value }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</table></div>{% endfor %}
<h2>Mask mAP by severity</h2><img alt="curves" src="data:image/png;base64,{{ curves }}">
<h2>What the severities look like</h2>
<img alt="contact sheet" src="data:image/jpeg;base64,{{ sheet }}">
<h2>Worst cases</h2><p>Images that lose most, with their F1 (IoU 0.5, confidence from 0.25) before
and after; outlines are the truth (white) and what was found.</p>
{% for case in cases %}<figure><img alt="" src="data:image/jpeg;base64,{{ case.picture }}">
<figcaption>{{ case.model }}: {{ case.name }}, {{ case.condition }}: F1 {{ '%.2f'|format(case.clean)
}} to {{ '%.2f'|format(case.found) }}</figcaption></figure>{% endfor %}
</body></html>
''')


def _grid(text: str) -> list[list[str]]:
    """A Markdown table's cells, without its ruler."""
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[part.strip() for part in line.strip('|').split('|')]
            for i, line in enumerate(lines) if i != 1]


def jpeg(image: np.ndarray, quality: int = 82) -> str:
    """An image as base64."""
    ok, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok, 'OpenCV could not encode a JPEG'
    return base64.b64encode(data).decode()


def page(summary: Mapping, severities: Sequence[int], images: int, sheet: np.ndarray,
         cases: Sequence[Mapping]) -> str:
    """The whole report as HTML that needs nothing else.

    Args:
        summary: Of :func:`.robustness.summarise`.
        severities: Those that were run.
        images: How many images the test set has.
        sheet: Of :func:`contact_sheet`.
        cases: Worst cases: ``model``, ``name``, ``condition``, ``clean``, ``found`` and
            ``picture`` (base64).
    """
    parts = table(summary).split('\n\n')
    grids = [('All corruptions', _grid(parts[0]))]
    if summary['reference'] is not None:
        grids.append((f'Less {summary["reference"]}', _grid(parts[1])))
    grids += [(f'{figure} by corruption, mean over severities', _grid(
        corruption_table(summary, figure))) for figure in ('mask mAP', 'boundary mAP')]
    names = list(summary['models'][0]['figures']['mask mAP']['corruptions'])
    for model in summary['models']:
        grids.append((f'{model["label"]}: mask AP of each class', [
            ['class', 'clean', *names],
            *([name, *(f'{100 * values[k]:.1f}' for k in ('clean', *names))]
              for name, values in model['classes'].items())]))
    return TEMPLATE.render(severities=severities, images=images, grids=grids,
                           curves=curves(summary, severities), sheet=jpeg(sheet), cases=cases)


