"""The report as one HTML file that opens without a network: tables that sort, plots inside."""
from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, StrictUndefined

from .report import columns, conditions, notes

STYLE = '''
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1400px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}
th,td{padding:.25em .5em;border-bottom:1px solid #ddd;text-align:right;vertical-align:bottom}
td{white-space:nowrap}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:9em}
th:first-child,td:first-child{text-align:left}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid #4477aa}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
tr.failed td{background:#fde8e8}
img{max-width:100%;height:auto}
'''
SCRIPT = '''
for (const th of document.querySelectorAll("th")) th.querySelector("button").onclick = () => {
  const body = th.closest("table").tBodies[0], column = th.cellIndex;
  const up = th.getAttribute("aria-sort") !== "ascending";
  for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.cells[column].dataset.value;
  const rows = [...body.rows].sort((a, b) => {
    const x = key(a), y = key(b);
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = column ? x - y : x.localeCompare(y);
    return up ? order : -order;
  });
  body.append(...rows);
};
'''


_TEMPLATES = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
_TEMPLATES.filters['base64'] = lambda text: base64.b64encode(text.encode()).decode()
PAGE = _TEMPLATES.from_string("""\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ report.title }}</title>
<style>{{ style | safe }}</style></head>
<body>
<h1>{{ report.title }}</h1>
<ul>{% for line in conditions %}<li>{{ line }}</li>{% endfor %}</ul>
<p>Click a heading to sort.</p>
{% for heading, table in tables.items() %}
<h2>{{ heading }}</h2>
<div class="scroll"><table><thead><tr>
{%- for column in table %}<th scope="col"><button>{{ column.title }}</button></th>{% endfor -%}
</tr></thead>
<tbody>
{% for row in report.rows %}
<tr{% if row.errors %} class="failed"{% endif %}>
{%- for column in table %}
<td data-value="{{ '' if column.value(row) is none else column.value(row) }}">{{ column.text(row) }}
{%- endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
{% for heading, svg in plots.items() %}
<h2>{{ heading }}</h2>
<img alt="{{ heading }}" src="data:image/svg+xml;base64,{{ svg | base64 }}">
{% endfor %}
{% if notes %}
<h2>Notes</h2>
<ul>{% for line in notes %}<li>{{ line }}</li>{% endfor %}</ul>
{% endif %}
<p>{{ report.schema }}, {{ report.written }}</p>
<script>{{ script | safe }}</script>
</body></html>
""")


def html(report: dict[str, Any], plots: dict[str, str]) -> str:
    """The page.

    Args:
        report: The document of ``report.document``.
        plots: Headings and SVG elements of ``plots.draw``; each becomes an image of its own, so
            that ids of two do not meet.
    """
    return PAGE.render(report=report, plots=plots, tables=columns(report), notes=notes(report),
                       conditions=conditions(report), style=STYLE, script=SCRIPT)
