"""The error report as one HTML file that needs nothing else."""
from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from jinja2 import Environment, StrictUndefined

from medseg.benchmark.html import STYLE
from medseg.metrics.error_causes import CAUSES, EXTREMES

from . import plots
from .groups import FEW_OBJECTS, FEW_UNITS

#: What each cause is, and what usually helps, for a reader who sees it for the first time.
MEANING = {
    'classification': 'on an object (IoU 0.5 and more), but called another class',
    'localisation': 'the right class on an object, but the outline fits badly (IoU 0.1 to 0.5)',
    'both': 'near an object (IoU 0.1 to 0.5) and called another class',
    'duplicate': 'a second detection of an object that is found already',
    'background': 'where no object is (IoU up to 0.1)',
    'missed': 'an object that no detection of any score finds, or would with a better outline or '
              'class',
    'false positives': 'all false detections gone, nothing else changed',
    'false negatives': 'all objects that are not found taken off the list, nothing else changed',
}
GROUP_KINDS = {
    'all': '', 'size': "Size of the object (mask area; COCO's limits)",
    'border': "Contact with the image's edge", 'class': 'Class', 'patient': 'Patient',
    'brightness': 'Brightness of the image (mean grey value, thirds of the images)'}
KIND_NAMES = {'segm': 'mask', 'bbox': 'box'}
STYLE_HERE = STYLE + '''
body{max-width:1180px}p,li{max-width:75em}
.note{color:#555;font-size:.9em}
tr.few td{color:#777}
tr.head td{font-weight:600;background:#f4f6f8;text-align:left}
td.cell{min-width:4.5em;text-align:center}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(520px,1fr));gap:1.2em}
@media (max-width:560px){.shots{grid-template-columns:1fr}}
figure{margin:0}figcaption{font-size:.85em;overflow-wrap:anywhere}
nav a{margin-right:1em}
table.causes td:first-child{min-width:19em}
'''


def percent(entry: Mapping | None, form: str = '.1f') -> str:
    """A fraction in percent with its interval; '-' where it is undefined."""
    if entry is None or entry['value'] is None:
        return '-'
    text = f'{100 * entry["value"]:{form}}'
    if entry.get('interval'):
        low, high = (100 * end for end in entry['interval'])
        text += f' ({low:{form}} to {high:{form}})'
    return text


def share(value: float | None) -> str:
    """A fraction in percent."""
    return '-' if value is None else f'{100 * value:.1f}'


def in_short(document: Mapping) -> list[str]:
    """What the page says, in a few sentences; all from the figures."""
    kind = document['kind']
    found, gains = document['figures'][kind], document['causes'][kind]['gains']
    name, unit = KIND_NAMES[kind], document['unit']
    lines = [f'{name.capitalize()} mAP is {percent(found["mAP"])} %, at IoU 0.5 '
             f'{percent(found["mAP_50"])} %; in brackets 95 % intervals over {document["units"]} '
             f'{unit}s.']
    ranked = sorted((c for c in CAUSES if gains[c]['value'] is not None),
                    key=lambda c: -gains[c]['value'])
    if ranked and gains[ranked[0]]['value'] > 0:
        first, second = ranked[:2]
        lines.append(f'The cause that costs most is {first} ({MEANING[first]}): mended alone it '
                     f'would gain {percent(gains[first])} points at IoU 0.5; next is {second} with '
                     f'{percent(gains[second])}.')
    point = next(d for d in document['detections'] if d['score'] == document['score_thr'])
    lines.append(f'From a score of {document["score_thr"]:.3f} on ({document["score_thr_chosen"]}) '
                 f'{share(point["recall"])} % of the objects are found, and '
                 f'{share(point["precision"])} % of the detections are right.')
    rows = [row for row in document['groups'] if row['kind'] != 'all' and not row['few']
            and row['recall']['value'] is not None]
    if rows:
        weakest = min(rows, key=lambda row: row['recall']['value'])
        lines.append(f'Of the groups with {FEW_OBJECTS} objects and more, fewest are found in '
                     f'{weakest["kind"]} "{weakest["name"]}": {percent(weakest["recall"])} % of '
                     f'{weakest["objects"]}.')
    seen = document['calibration']['seen']
    gap = seen['error']['value']
    if gap is not None:
        promised = sum(n * c for n, c in zip(seen['counts'], seen['confidence'], strict=True) if n)
        right = sum(n * a for n, a in zip(seen['counts'], seen['accuracy'], strict=True) if n)
        lines.append(f'Scores from {seen["lowest"]:g} on are off by {100 * gap:.1f} points on '
                     f'average, mostly {"too high" if promised > right else "too low"}.')
    return lines


def speed_lines(document: Mapping) -> list[str]:
    """What was timed, and at which threshold."""
    speed = document['speed']
    if speed is None:
        return []
    lines = []
    for row in speed['rows']:
        parts = ', '.join(f'{part} {row[part]:.1f}' for part in (
            'preprocessing', 'network', 'postprocessing') if row[part] is not None)
        total = f'{row["total"]:.1f} ms per image ({parts})' if row['total'] is not None \
            else f'{parts} ms per image; nothing else was timed'
        lines.append(f'{row["what"]}: {total}.')
    if speed['instances'] is not None:
        point = next(d for d in document['detections'] if d['score'] == document['score_thr'])
        lines.append(f'While it was timed it found {speed["instances"]:g} instances per image; '
                     f'from a score of {document["score_thr"]:.3f} on there are '
                     f'{point["mean"]:.1f} here. Where the first number is much larger, '
                     'post-processing was timed at a lower threshold than one would deploy with.')
    if speed['options']:
        lines.append(f'Timed with {speed["options"]}.')
    return lines


TEMPLATES = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                         undefined=StrictUndefined)
TEMPLATES.filters.update(
    percent=percent, share=share,
    base64=lambda text: base64.b64encode(text.encode()).decode())
PAGE = TEMPLATES.from_string("""\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Errors of {{ d.label }}</title>
<style>{{ style | safe }}</style></head>
<body>
<h1>Errors of {{ d.label }}</h1>
<p>{{ d.images }} images with {{ d.objects }} objects of {{ d.classes | length }}
{{ 'class' if d.classes | length == 1 else 'classes' }} ({{ d.classes | join(', ') }})
{%- if d.crowds %}, and {{ d.crowds }} crowd areas that count neither way{% endif %}.
At most {{ d.max_dets }} detections per image and class count.
{% if d.patients %}The images are of {{ d.units }} patients.
{% else %}Whose image is whose is not told, so intervals are over images and may be too narrow.
{% endif %}</p>
<p class="note">Truth: {{ d.annotations }}. Predictions:
{{ d.predictions.values() | unique | join(', ') }}.</p>
<nav><a href="#causes">causes</a><a href="#confusion">confusion</a><a href="#curves">curves</a>
<a href="#scores">scores</a><a href="#groups">groups</a><a href="#deploy">threshold and speed</a>
<a href="#worst">worst images</a></nav>
<h2>In short</h2>
<ul>{% for line in short %}<li>{{ line }}</li>{% endfor %}</ul>

<h2 id="causes">What the missing average precision consists of</h2>
<p>Every false detection has one cause, and so has every object that is not found. A bar says how
much AP at IoU 0.5 would rise if this cause alone were mended; the black line is its 95 % interval.
The bars do not add up to what is missing: errors hide behind each other. All mended together, AP is
{{ d.causes[d.kind].all_mended | share }} %.</p>
<img alt="Gain of mending each cause" src="data:image/svg+xml;base64,{{ gains | base64 }}">
<div class="scroll"><table class="causes"><thead><tr><th>cause</th>
<th>detections, or objects missed</th>
<th>of them from score {{ '%.3f' | format(d.score_thr) }} on</th>
{% for kind in d.causes %}<th>gain, {{ 'masks' if kind == 'segm' else 'boxes' }}</th>{% endfor %}
{% if d.classes | length > 1 %}{% for name in d.classes %}<th>gain, {{ name }}</th>{% endfor %}
{% endif %}</tr></thead><tbody>
{% for cause in causes %}{% set row = d.causes[d.kind].gains[cause] %}
<tr><td><b>{{ cause }}</b>: {{ meaning[cause] }}</td>
<td>{{ row.count if row.count is defined else '' }}</td>
<td>{{ row.count_shown if row.count is defined and cause != 'missed' else '' }}</td>
{% for kind in d.causes %}<td>{{ d.causes[kind].gains[cause] | percent }}</td>{% endfor %}
{% if d.classes | length > 1 %}{% for name in d.classes %}<td>{{ row.classes[name] | share }}</td>
{% endfor %}{% endif %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">Counts and gains of single classes are of {{ kind_name }}s. Definitions: TIDE (Bolya
et al., ECCV 2020). The last two rows are its extremes, which overlap with the six causes.</p>

<h2 id="confusion">Which class is taken for which</h2>
<p>Rows are the truth, columns what the model said, from a score of {{ '%.3f' | format(d.score_thr)
}} on ({{ d.score_thr_chosen }}), for {{ kind_name }}s that overlap with an IoU of at least
{{ '%g' | format(d.iou_thr) }}. Row "background": detections where there is no such object; column
"background": objects that were missed.</p>
<div class="scroll"><table><thead><tr><th>truth \\ said</th>
{% for name in d.confusion.labels %}<th>{{ name }}</th>{% endfor %}<th>in all</th></tr></thead>
<tbody>
{% for row in d.confusion.matrix %}{% set total = row | sum %}<tr>
<td>{{ d.confusion.labels[loop.index0] }}</td>
{% set right = loop.index0 %}
{% for count in row %}{% set blue = loop.index0 == right %}
<td class="cell" style="background:rgba({{ '68,119,170' if blue else '238,102,119' }},
{{- '%.2f' | format(0.75 * count / total if total else 0) }})">
{%- if loop.last and loop.index0 == right %}{% else %}{{ count }}
{%- if total and right + 1 < row | length %} <span class="note">{{ '%.0f' | format(100 * count /
total) }} %</span>{% endif %}{% endif %}</td>{% endfor %}<td>{{ total }}</td></tr>
{% endfor %}</tbody></table></div>

<h2 id="curves">Precision, recall and the threshold</h2>
<p>Left: how many of the detections are right, against how many of the objects are found, as the
threshold falls; the area below a line is the AP at IoU 0.5. Right: F1, the balance of both, at each
threshold; a flat top means that the choice of the threshold hardly matters.</p>
<img alt="Precision over recall, F1 over score"
 src="data:image/svg+xml;base64,{{ curves | base64 }}">

<h2 id="scores">What a score is worth</h2>
<p>A detection is right when it matches an object of its class at IoU 0.5. Bars at the dashed line
mean that scores can be read as probabilities; below it the model is too sure. The expected
calibration error (ECE) is the mean distance from the line over ten bins, weighted by the detections
in each: <b>{{ d.calibration.all.error | percent }} %</b> over all
{{ d.calibration.all.detections }} detections,
<b>{{ d.calibration.seen.error | percent }} %</b> over the {{ d.calibration.seen.detections }} from
{{ '%g' | format(d.calibration.seen.lowest) }} on. The second says more: detections of almost no
score are nearly all wrong, as they say themselves, and make the first small.</p>
<img alt="Reliability diagram" src="data:image/svg+xml;base64,{{ reliability | base64 }}">

<h2 id="groups">Where it works and where it does not</h2>
<p><b>{{ kind_name | capitalize }} mAP</b> is COCO's, at IoU 0.50:0.95; <b>recall</b> the share of
the objects that are found at IoU 0.5 from a score of {{ '%.3f' | format(d.score_thr) }} on;
<b>Dice</b> how well each object is covered by what finds it, a missed one counting 0. In brackets
95 % intervals over {{ d.unit }}s ({{ d.resamples }} draws). Grey rows are small: fewer than
{{ few_objects }} objects, or objects of fewer than {{ few_units }} {{ d.unit }}s;
do not conclude from them.</p>
<div class="scroll"><table><thead><tr><th>group</th><th>images</th>
{% if d.patients %}<th>patients</th>{% endif %}
<th>objects</th><th>mAP, %</th><th>recall, %</th><th>Dice, %</th></tr></thead><tbody>
{% for row in d.groups %}
{% if loop.changed(row.kind) and group_kinds[row.kind] %}
<tr class="head"><td colspan="{{ 7 if d.patients else 6 }}">{{ group_kinds[row.kind] }}</td></tr>
{% endif %}
<tr{% if row.few %} class="few"{% endif %}>
<td>{{ row.name }}{% if row.few %} (small group){% endif %}</td>
<td>{{ row.images }}</td>{% if d.patients %}<td>{{ row.units }}</td>{% endif %}
<td>{{ row.objects }}</td>
<td>{{ row.map | percent }}</td><td>{{ row.recall | percent }}</td><td>{{ row.dice | percent }}</td>
</tr>
{% endfor %}</tbody></table></div>
{% if not d.patients %}<p class="note">No rows by patient: neither a "patient" entry of the images
nor their file names tell whose they are.</p>{% endif %}

<h2 id="deploy">The threshold to deploy with, and speed</h2>
<p>AP is measured down to the lowest scores; nobody deploys with them. Each detection that is kept
costs post-processing (a mask has to be drawn), so speed belongs to a threshold.</p>
<div class="scroll"><table><thead><tr><th>from score</th><th>detections per image, mean</th>
<th>median</th><th>most</th><th>right, %</th><th>objects found, %</th></tr></thead><tbody>
{% for row in d.detections %}<tr><td>{{ '%.3f' | format(row.score) }}
{%- if row.name == 'best F1' %} (best F1 on this set){% elif row.name == 'chosen' %} (chosen)
{%- endif %}</td><td>{{ '%.1f' | format(row.mean) }}</td><td>{{ '%g' | format(row.median) }}</td>
<td>{{ row.most }}</td><td>{{ row.precision | share }}</td><td>{{ row.recall | share }}</td></tr>
{% endfor %}</tbody></table></div>
<p class="note">{% if d.lowest_score is none %}The file holds no detection.
{% else %}The lowest score in the file is {{ '%.3g' | format(d.lowest_score) }}.{% endif +%}
A threshold that is chosen on the set it is judged on looks slightly better than it is: choose it on
validation images.</p>
{% if speed %}<ul>{% for line in speed %}<li>{{ line }}</li>{% endfor %}</ul>
<p class="note">From {{ d.speed.source }}.</p>
{% else %}<p>Speed was not given. Time the model at this threshold with</p>
<pre>python tools/benchmark.py CONFIG CHECKPOINT --only latency --out DIR \\
    --cfg-options model.test_cfg.score_thr={{ '%.3f' | format(d.score_thr) }}</pre>
<p>and make this page again with <code>--latency DIR/report.json</code>.</p>{% endif %}

<h2 id="worst">The {{ d.worst | length }} worst images</h2>
<p>Truth on the left, prediction from a score of {{ '%.3f' | format(d.score_thr) }} on at the right.
Rule: lowest panoptic quality over all classes, which is the IoU of the objects that were found,
added up, over found + half of the missed + half of the false ones; 100 % would be perfect. Of
equals the one with more errors comes first.</p>
<div class="shots">
{% for shot in d.worst %}<figure>
<img alt="Truth and prediction" src="data:image/jpeg;base64,{{ pictures[loop.index0] }}">
<figcaption><b>{{ shot.quality | share }} %</b> {{ shot.file_name }}
{%- if shot.patient is not none %}, patient {{ shot.patient }}{% endif %}: {{ shot.found }} found,
{{ shot.missed }} missed, {{ shot.false }} false
{%- for cause, count in shot.causes.items() if cause != 'missed' %}
{{ ' (' if loop.first else ', ' }}{{ count }} {{ cause }}{{ ')' if loop.last }}
{%- endfor %}</figcaption></figure>
{% endfor %}</div>
{% if not d.worst %}<p>No image has an error.</p>{% endif %}
<p class="note">{{ d.schema }}; all numbers are in the JSON file beside this page.</p>
</body></html>
""")


def page(document: Mapping, pictures: Sequence[str]) -> str:
    """The page of one model.

    Args:
        document (Mapping): Of :func:`.collect.collect`, with ``annotations`` and ``speed``.
        pictures (Sequence[str]): JPEG of each of its worst images, base64.
    """
    return PAGE.render(
        d=document, style=STYLE_HERE, short=in_short(document), speed=speed_lines(document),
        causes=(*CAUSES, *EXTREMES), meaning=MEANING, group_kinds=GROUP_KINDS,
        kind_name=KIND_NAMES[document['kind']], few_objects=FEW_OBJECTS, few_units=FEW_UNITS,
        gains=plots.gains([document], list(document['causes']), CAUSES),
        curves=plots.curves(document), reliability=plots.reliability(document), pictures=pictures)
