"""The report as one HTML file that opens without a network: tables that sort, plots inside."""
from __future__ import annotations

import re
from html import escape
from typing import Any

from .report import Column, columns, conditions, notes

STYLE = '''
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1200px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid #4477aa}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
tr.failed td{background:#fde8e8}
svg{max-width:100%;height:auto}
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


def _cell(column: Column, row: dict[str, Any]) -> str:
    value = column.value(row)
    raw = '' if value is None else str(value)
    return f'<td data-value="{escape(raw)}">{escape(column.text(row))}</td>'


def _table(report: dict[str, Any], table: list[Column]) -> str:
    head = ''.join(f'<th scope="col"><button>{escape(c.title)}</button></th>' for c in table)
    body = ''.join(f'<tr{" class=failed" if row["errors"] else ""}>'
                   + ''.join(_cell(c, row) for c in table) + '</tr>\n' for row in report['rows'])
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>'
            '</table></div>')


def _own_ids(svg: str, number: int) -> str:
    """Ids that no other plot of the page has, and no addresses of XML names, which HTML ignores."""
    svg = re.sub(r'\s(?:xmlns(?::\w+)?)="[^"]*"', '', svg)
    svg = re.sub(r'\bid="', f'id="p{number}-', svg)
    svg = re.sub(r'xlink:href="#', f'href="#p{number}-', svg)
    svg = re.sub(r'url\(#', f'url(#p{number}-', svg)
    return re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.S)


def html(report: dict[str, Any], plots: dict[str, str]) -> str:
    """The page.

    Args:
        report: The document of ``report.document``.
        plots: Headings and SVG elements of ``plots.draw``.
    """
    parts = [f'<h1>{escape(report["title"])}</h1>',
             '<ul>' + ''.join(f'<li>{escape(line)}</li>' for line in conditions(report)) + '</ul>',
             '<p>Click a heading to sort.</p>']
    for heading, table in columns(report).items():
        parts.append(f'<h2>{escape(heading)}</h2>\n{_table(report, table)}')
    for number, (heading, svg) in enumerate(plots.items()):
        parts.append(f'<h2>{escape(heading)}</h2>\n<div class="scroll">{_own_ids(svg, number)}'
                     '</div>')
    if notes(report):
        parts.append('<h2>Notes</h2>\n<ul>' + ''.join(
            f'<li>{escape(line)}</li>' for line in notes(report)) + '</ul>')
    parts.append(f'<p>{escape(report["schema"])}, {escape(report["written"])}</p>')
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<title>{escape(report["title"])}</title>\n<style>{STYLE}</style></head>\n<body>\n'
            + '\n'.join(parts) + f'\n<script>{SCRIPT}</script>\n</body></html>\n')
