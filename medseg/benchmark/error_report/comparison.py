"""Models side by side: what one errs in and the other does not; one HTML page."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medseg.metrics.error_causes import CAUSES

from . import plots
from .collect import Found
from .groups import FIGURES, entry
from .page import GROUP_KINDS, STYLE_HERE, TEMPLATES


def compare(models: Sequence[Found]) -> dict:
    """Differences of every model from the first, with intervals by the same draws of patients.

    Args:
        models (Sequence[Found]): Of one set; figures of the kinds that all have.

    Returns:
        dict: ``reference``; ``rows``, each with ``label``, ``kind``, ``figure``, ``value``,
        ``interval`` and, but for the first model, ``difference`` (``value``, ``interval``); gains
        of causes are figures too.
    """
    first = models[0]
    kinds = [kind for kind in first.drawn if all(kind in model.drawn for model in models)]
    rows = []
    for kind in kinds:
        for figure in ('mAP', 'mAP_50', *CAUSES):
            base = _figure(first.document, kind, figure)
            for model in models:
                own = _figure(model.document, kind, figure)
                row = dict(label=model.document['label'], kind=kind, figure=figure, **own)
                if model is not first:
                    drawn = [m.drawn[kind].get(figure, np.zeros(0)) for m in (model, first)]
                    known = own['value'] is not None and base['value'] is not None
                    row['difference'] = entry(
                        own['value'] - base['value'] if known else float('nan'),
                        drawn[0] - drawn[1])
                rows.append(row)
    return dict(reference=first.document['label'], rows=rows)


def _figure(document: Mapping, kind: str, figure: str) -> dict:
    found = document['figures'][kind].get(figure) or document['causes'][kind]['gains'][figure]
    return dict(value=found['value'], interval=found['interval'])


def differing(first: Mapping, second: Mapping, number: int) -> list[int]:
    """Images, by place, whose quality differs most between two models; equal ones are left out."""
    gaps = [(abs(a - b), place) for place, (a, b) in enumerate(
        zip(first['quality'], second['quality'], strict=True))
        if a is not None and b is not None and a != b]
    return [place for _, place in sorted(gaps, key=lambda g: (-g[0], g[1]))[:number]]


def outside_zero(difference: Mapping) -> bool:
    """Whether an interval of a difference leaves out 0."""
    ends = difference['interval']
    return bool(ends) and not ends[0] <= 0 <= ends[1]


TEMPLATES.filters['outside_zero'] = outside_zero
PAGE = TEMPLATES.from_string("""\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Errors of {{ documents | map(attribute='label') | join(', ') }}</title>
<style>{{ style | safe }}</style></head>
<body>
<h1>Errors side by side: {{ documents | map(attribute='label') | join(', ') }}</h1>
<p>{{ first.images }} images with {{ first.objects }} objects. In brackets 95 % intervals over
{{ first.units }} {{ first.unit }}s ({{ first.resamples }} draws, the same for all models).
Differences are from {{ first.label }}; where an interval leaves out 0 (bold), other
{{ first.unit }}s would hardly turn the order round. It says nothing about another training.</p>

<h2>Accuracy, and what mending each cause would gain</h2>
<p>A gain is what AP at IoU 0.5 would rise by if this cause of errors alone were mended: the
smaller, the less the model errs in this way.</p>
<div class="scroll"><table><thead><tr><th>percent</th>
{% for d in documents %}<th>{{ d.label }}</th>{% endfor %}
{% for d in documents[1:] %}<th>{{ d.label }} less {{ first.label }}</th>{% endfor %}
</tr></thead><tbody>
{% for kind, figure, rows in table %}
{% if loop.changed(kind) %}<tr class="head"><td colspan="{{ 2 * documents | length }}">
{{- 'Masks' if kind == 'segm' else 'Boxes' }}</td></tr>{% endif %}
<tr><td>{{ {'mAP': 'mAP', 'mAP_50': 'mAP at IoU 0.5'}.get(figure, 'gain of ' ~ figure) }}</td>
{% for row in rows %}<td>{{ row | percent }}</td>{% endfor %}
{% for row in rows[1:] %}<td{% if row.difference | outside_zero %} style="font-weight:700"
{%- endif %}>{{ row.difference | percent('+.1f') }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<img alt="Gain of mending each cause" src="data:image/svg+xml;base64,{{ gains | base64 }}">

<h2>Where each works</h2>
<p>Recall and Dice from each model's own score on: {% for d in documents %}{{ d.label }}
{{ '%.3f' | format(d.score_thr) }} ({{ d.score_thr_chosen }}){{ '' if loop.last else ', ' }}
{%- endfor %}. Grey groups are small.</p>
<div class="scroll"><table><thead><tr><th>group</th><th>objects</th>
{% for name in ('mAP', 'recall', 'Dice') %}{% for d in documents %}
<th>{{ name }}, {{ d.label }}</th>{% endfor %}{% endfor %}</tr></thead><tbody>
{% for group in groups %}
{% if loop.changed(group[0].kind) and group_kinds[group[0].kind] %}
<tr class="head"><td colspan="{{ 2 + 3 * documents | length }}">
{{- group_kinds[group[0].kind] }}</td></tr>
{% endif %}
<tr{% if group[0].few %} class="few"{% endif %}><td>{{ group[0].name }}</td>
<td>{{ group[0].objects }}</td>
{% for figure in figures %}{% for row in group %}<td>{{ row[figure].value | share }}</td>
{% endfor %}{% endfor %}</tr>
{% endfor %}</tbody></table></div>

<h2>Scores and thresholds</h2>
<div class="scroll"><table><thead><tr><th>model</th><th>calibration error from
{{ '%g' | format(first.calibration.seen.lowest) }} on, %</th><th>score</th>
<th>detections per image from it on</th><th>right, %</th><th>objects found, %</th></tr></thead>
<tbody>
{% for d, point in points %}<tr><td>{{ d.label }}</td>
<td>{{ d.calibration.seen.error | percent }}</td><td>{{ '%.3f' | format(d.score_thr) }}</td>
<td>{{ '%.1f' | format(point.mean) }}</td><td>{{ point.precision | share }}</td>
<td>{{ point.recall | share }}</td></tr>{% endfor %}</tbody></table></div>

<h2>Images that tell them apart</h2>
{% if shots %}<p>The {{ shots | length }} images whose panoptic quality differs most between
{{ first.label }} and {{ documents[-1].label }}. Truth on the left, prediction at the right,
each from its own score on.</p>{% endif %}
{% for shot in shots %}<h3>{{ shot.name }}</h3><div class="shots">
{% for picture in shot.pictures %}<figure>
<img alt="Truth and prediction" src="data:image/jpeg;base64,{{ picture.jpeg }}">
<figcaption>{{ picture.label }}: {{ picture.quality | share }} %</figcaption></figure>
{% endfor %}</div>{% endfor %}
{% if not shots %}<p>None: from their own scores on, {{ first.label }} and
{{ documents[-1].label }} find, miss and make up the same.</p>{% endif %}
</body></html>
""")


def page(models: Sequence[Found], shots: Sequence[Mapping]) -> str:
    """The page.

    Args:
        models (Sequence[Found]): At least two, with ``annotations`` in their documents.
        shots (Sequence[Mapping]): Images with ``name`` and ``pictures``, one per model, each with
            ``label``, ``quality`` and ``jpeg`` (base64).
    """
    documents = [model.document for model in models]
    rows = compare(models)['rows']
    count = len(models)
    table = [(rows[i]['kind'], rows[i]['figure'], rows[i:i + count])
             for i in range(0, len(rows), count)]
    points = [(d, next(p for p in d['detections'] if p['score'] == d['score_thr']))
              for d in documents]
    return PAGE.render(
        documents=documents, first=documents[0], table=table, figures=FIGURES, points=points,
        groups=list(zip(*(d['groups'] for d in documents), strict=True)), shots=shots,
        group_kinds=GROUP_KINDS, style=STYLE_HERE,
        gains=plots.gains(documents, [rows[0]['kind']], CAUSES))
