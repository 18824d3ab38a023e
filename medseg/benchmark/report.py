"""The report as one document (JSON), and its tables in Markdown and CSV."""
from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from medseg import tables

#: Version of the JSON; a change that breaks readers raises it.
SCHEMA = 'lmsfa-benchmark/1'
#: Of our figures, those the paper prints too.
ACCURACY = ('mask_map50', 'mask_map', 'mask_precision', 'mask_recall', 'mask_ar',
            'box_map50', 'box_map', 'box_precision', 'box_recall')


@dataclass(frozen=True)
class Column:
    """A column of the tables.

    Attributes:
        key (str): Its name in the CSV.
        title (str): Its heading.
        value (Callable): Number or text of a row; None where there is none.
        form (str): Format of numbers.
        spread (Callable): Text behind the number, such as an interval.
    """

    key: str
    title: str
    value: Callable[[dict], Any]
    form: str = '.2f'
    spread: Callable[[dict], str] = lambda row: ''

    def text(self, row: dict) -> str:
        """The cell as people read it."""
        value = self.value(row)
        if value is None:
            return ''
        return value if isinstance(value, str) else f'{value:{self.form}}{self.spread(row)}'


def _get(*keys: str) -> Callable[[dict], Any]:
    """Value deep inside a row."""

    def get(row: dict) -> Any:
        for key in keys:
            row = (row or {}).get(key)
        return row

    return get


def own_figures(row: dict[str, Any]) -> dict[str, float]:
    """What we measured, in the paper's units and conventions."""
    parameters = (row.get('complexity') or {}).get('parameters') or row.get('parameters')
    found = {
        'params_m': parameters / 1e6 if parameters else None,
        'gflops': (row.get('complexity') or {}).get('paper_gflops'),
        'fps': _get('latency', 'fp32', 'fps')(row),
        **{key: (row.get('accuracy') or {}).get(key) for key in ACCURACY}}
    return {key: value for key, value in found.items() if value is not None}


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """Add ``own`` and ``difference`` (ours less the paper's) to a row, in place."""
    row['own'] = own_figures(row)
    row['difference'] = {key: round(row['own'][key] - value, 4)
                         for key, value in row['paper'].items() if key in row['own']}
    if 'params_m' in row['difference']:
        row['difference']['params_percent'] = round(
            100 * row['difference']['params_m'] / row['paper']['params_m'], 2)
    return row


def document(rows: list[dict], machine: dict, settings: dict, title: str,
             missing: Sequence[str] = (), paper_data: bool = False) -> dict[str, Any]:
    """The whole report.

    What a paper prints about accuracy is left out unless the models here were tested on its data:
    on others the two say nothing about each other.

    Args:
        rows: What ``Session.run`` gave, accuracies joined.
        machine: What it was measured on.
        settings: How it was measured.
        title: Heading.
        missing: Rows of the paper without a config here.
        paper_data: Accuracies here are on the paper's own data and test split.
    """
    if not paper_data:
        rows = [dict(row, paper={key: value for key, value in row['paper'].items()
                                 if key not in ACCURACY}) for row in rows]
    return dict(schema=SCHEMA, title=title, machine=machine, settings=settings,
                written=datetime.now(timezone.utc).isoformat(timespec='seconds'),
                missing=list(missing), rows=[complete(row) for row in rows])


def _interval(key: str) -> Callable[[dict], str]:
    def text(row: dict) -> str:
        ends = _get('accuracy', 'intervals', key)(row)
        return f' ({ends[0]:.1f}–{ends[1]:.1f})' if ends else ''

    return text


def _model(row: dict) -> str:
    return row['title'] if row['title'] == row['name'] else f'{row["title"]}: {row["name"]}'


def columns(report: dict[str, Any]) -> dict[str, list[Column]]:
    """Columns of each table, by its heading; tables without a single value are left out."""
    rows, name = report['rows'], Column('model', 'model', _model)
    size = report['settings'].get('size')
    groups = {
        f'Size and operations at {size}×{size}': [
            Column('parameters', 'parameters',
                   lambda r: _get('complexity', 'parameters')(r) or r.get('parameters'), ',d'),
            Column('paper_params_m', 'paper, M', _get('paper', 'params_m'), '.1f'),
            Column('params_percent', 'difference, %', _get('difference', 'params_percent'), '+.1f'),
            Column('gmacs', 'GMACs', lambda r: _scaled(_get('complexity', 'macs')(r)), '.2f'),
            Column('gflops', 'GFLOPs', lambda r: _scaled(_get('complexity', 'flops')(r)), '.2f'),
            Column('fused_parameters', 'fused parameters',
                   _get('complexity', 'fused_parameters'), ',d'),
            Column('fused_gflops', 'fused GFLOPs',
                   lambda r: _scaled(_get('complexity', 'fused_flops')(r)), '.2f')],
        "Operations as the paper counts them, at the paper's size": [
            Column('paper_convention_gflops', "G, paper's convention and size",
                   _get('complexity', 'paper_gflops'), '.2f'),
            Column('paper_gflops', 'paper, G', _get('paper', 'gflops'), '.1f'),
            Column('gflops_difference', 'difference, G', _get('difference', 'gflops'), '+.2f')],
        'Peak memory': [
            Column('training_mib', f'training step, batch {report["settings"].get("batch")}, MiB',
                   _get('memory', 'training', 'mib'), '.0f'),
            Column('inference_mib', 'inference, MiB', _get('memory', 'inference', 'mib'), '.0f')]}
    for precision in ('fp32', 'fp16', 'bf16'):
        at = f'Latency at batch 1, {precision}'
        groups[at] = [
            Column(f'{precision}_p{p}_ms', f'p{p}, ms', _get('latency', precision, 'total',
                                                             f'p{p}_ms'), '.2f')
            for p in (50, 95, 99)]
        groups[at] += [
            Column(f'{precision}_{part}_ms', f'{part}, ms',
                   _get('latency', precision, part, 'p50_ms'), '.2f')
            for part in ('preprocessing', 'network', 'postprocessing')]
        groups[at].append(Column(f'{precision}_fps', 'FPS', _get('latency', precision, 'fps'),
                                 '.1f'))
        if precision == 'fp32':
            groups[at] += [Column('paper_fps', 'paper, FPS', _get('paper', 'fps'), '.1f'),
                           Column('fps_difference', 'difference', _get('difference', 'fps'),
                                  '+.1f')]
    groups['Masks on the test set, %'] = [
        Column('seeds', 'seeds', _get('accuracy', 'seeds'), 'd'), *_accuracies('mask', rows),
        Column('train_minutes', 'training, min', _get('accuracy', 'train_minutes'), '.1f')]
    groups['Boxes on the test set, %'] = _accuracies('box', rows)
    kept = {heading: [c for c in table if any(c.value(row) is not None for row in rows)]
            for heading, table in groups.items()}
    return {heading: [name, *table] for heading, table in kept.items()
            if any(c.key == 'paper_convention_gflops' or not c.key.startswith('paper')
                   for c in table)}


def _accuracies(kind: str, rows: list[dict]) -> list[Column]:
    """Accuracies of masks or boxes, the paper's behind those that it prints."""
    found = []
    for key in (key for key in ACCURACY if key.startswith(kind)):
        label = key.removeprefix(f'{kind}_').replace('map50', 'mAP50').replace('map', 'mAP')
        label = 'AR@100' if label == 'ar' else label
        found.append(Column(key, label, _get('own', key), '.1f', _interval(key)))
        if any(key in row['paper'] for row in rows):
            found.append(Column(f'paper_{key}', f'paper, {label}', _get('paper', key), '.1f'))
    return found


def _scaled(value: float | None) -> float | None:
    return None if value is None else value / 1e9


def _section(report: dict, heading: str, table: list[Column]) -> str:
    rows = [[c.text(row) for c in table] for row in report['rows']]
    return f'## {heading}\n\n{tables.markdown([c.title for c in table], rows)}'


def conditions(report: dict[str, Any]) -> list[str]:
    """What a reader must know about the machine and the settings, as sentences."""
    m, s = report['machine'], report['settings']
    place = f'{m["gpu"]}, CUDA {m["cuda"]}' if m.get('gpu') else \
        f'{m["cpu"]}, {m["threads"]} threads of {m["cores"]} cores'
    lines = [f'Machine {m["host"]}: {place}; {m["system"]}; Python {m["python"]}, PyTorch '
             f'{m["torch"]}, mmengine {m["mmengine"]}, mmcv {m["mmcv"]}, mmdet {m["mmdet"]}.']
    if any(row.get('complexity') for row in report['rows']):
        line = 'FLOPs are 2 × MACs of convolutions, linear layers and matrix products.'
        theirs = {(row.get('complexity') or {}).get('paper_convention')
                  for row in report['rows']} - {None}
        if theirs:
            line += f" The paper's own conventions differ by model: {'; '.join(sorted(theirs))}."
        lines.append(line)
    timed = next((t for row in report['rows'] for t in (row.get('latency') or {}).values()), None)
    if timed:
        form = 'in inference form (fused)' if s['fuse'] else 'as trained (not fused)'
        lines.append(f'Models {form}, timed in turn, {timed["rounds"]} rounds of '
                     f'{timed["iterations"] // timed["rounds"]}, after a warm-up of {s["warm_up"]} '
                     f'each; input: {timed["images"]}. Without a checkpoint weights are random, '
                     'and then post-processing says little.')
    if s.get('cfg_options'):
        lines.append('Changed in every config: ' + ', '.join(
            f'{key}={value}' for key, value in s['cfg_options'].items()) + '.')
    units = {row['accuracy']['resampled'] for row in report['rows']
             if (row.get('accuracy') or {}).get('resampled')}
    if units:
        lines.append('In brackets: 95 % intervals by bootstrap over the '
                     f'{" and ".join(sorted(units))}s of the test set, of the first seed.')
    if any(set(row['own']) & set(ACCURACY) for row in report['rows']):
        lines.append(
            "The paper's accuracies are on the same data."
            if any(set(row['paper']) & set(ACCURACY) for row in report['rows']) else
            "The paper's accuracies are on data of its own and not shown; --paper-data shows them "
            'where the models were tested on those.')
    budgets = {str(sorted(row['accuracy']['training'].items())): row['accuracy']['training']
               for row in report['rows'] if (row.get('accuracy') or {}).get('training')}
    for b in budgets.values():
        lines.append(f'Trained {b["epochs"]} epochs at {b["size"] or "the config’s own size"} px, '
                     f'recipe "{b["recipe"]}"' + (f', on {b["data"]}' if b['data'] else '') + '.')
    return lines


def notes(report: dict[str, Any]) -> list[str]:
    """Remarks, unsupported precisions, failures and missing rows, one line each."""
    lines = []
    for row in report['rows']:
        if row['note']:
            lines.append(f'{row["title"]}: {row["note"]}')
        lines += [f'{row["title"]}: {what}: not supported here: {text}'
                  for what, text in row['unsupported'].items()]
        causes: dict[str, list[str]] = {}
        for what, text in row['errors'].items():
            causes.setdefault(' '.join(text.split())[-300:], []).append(what)
        lines += [f'{row["title"]}: {", ".join(what)} FAILED: {text}'
                  for text, what in causes.items()]
    return lines + [f'No config here: {text}' for text in report['missing']]


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [f'# {report["title"]}', '\n'.join(f'- {line}' for line in conditions(report))]
    parts += [_section(report, heading, table) for heading, table in columns(report).items()]
    if notes(report):
        parts.append('## Notes\n\n' + '\n'.join(f'- {line}' for line in notes(report)))
    return '\n\n'.join(parts) + '\n'


def flat_csv(report: dict[str, Any]) -> str:
    """One line a model, all columns of all tables, numbers unrounded."""
    seen: dict[str, Column] = {}
    for table in columns(report).values():
        seen.update({column.key: column for column in table})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['name', 'config', *seen, 'errors'])
    for row in report['rows']:
        values = [column.value(row) for column in seen.values()]
        errors = '; '.join(f'{key}: {" ".join(text.split())}'
                           for key, text in row['errors'].items())
        writer.writerow([row['name'], row['config'],
                         *('' if v is None else v for v in values), errors])
    return out.getvalue()


def compact(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of one table with the main columns, the paper's beside ours."""
    chosen = ('parameters', 'paper_params_m', 'gflops', 'paper_convention_gflops', 'paper_gflops',
              'fp32_p50_ms', 'fp32_fps', 'paper_fps', 'training_mib', 'seeds', 'mask_map50',
              'paper_mask_map50', 'mask_map', 'paper_mask_map', 'box_map50', 'box_map',
              'train_minutes')
    seen: dict[str, Column] = {'model': Column('model', 'model', _model)}
    for table in columns(report).values():
        seen.update({column.key: column for column in table})
    titles = {'paper_params_m': 'paper, M', 'fp32_p50_ms': 'ms', **{
        f'{prefix}{kind}_{key}': f'{prefix and "paper, "}{kind} {text}'
        for prefix in ('', 'paper_') for kind in ('mask', 'box')
        for key, text in (('map50', 'mAP50'), ('map', 'mAP'))}}
    kept = [seen['model'], *(seen[key] for key in chosen if key in seen)]
    return ([titles.get(c.key, c.title) for c in kept],
            [[c.text(row) for c in kept] for row in report['rows']])


def docs_table(report: dict[str, Any]) -> str:
    """The compact table for a document, and what it was measured on."""
    return tables.markdown(*compact(report)) + '\n\n' + ' '.join(conditions(report))
