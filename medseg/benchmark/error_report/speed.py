"""How fast a model was, out of the file that a benchmark wrote."""
from __future__ import annotations

from pathlib import Path

from medseg.errors import UserError
from medseg.io import read_json


def read_speed(path: Path, label: str) -> dict:
    """The latency of one model.

    Args:
        path (Path): ``report.json`` of ``tools/benchmark.py``, or ``--json`` of
            ``tools/benchmark_latency.py``.
        label (str): The model's name, title or config's stem there; any, where there is one model.

    Returns:
        dict: ``source``; ``rows``, each with ``what`` (precision or backend) and milliseconds
        ``total``, ``preprocessing``, ``network``, ``postprocessing`` (None: not measured);
        ``instances``, found per image while it was timed, or None; ``options``, the settings that
        were changed, as text.

    Raises:
        UserError: It is no such file, or the model is not in it.
    """
    content = read_json(path)
    if isinstance(content, dict) and isinstance(content.get('rows'), list):
        row = _pick(path, label, [
            ({row.get('name'), row.get('title'), Path(str(row.get('config'))).stem}, row)
            for row in content['rows'] if row.get('latency')])
        timed = row['latency']
        return dict(source=str(path), options=_options(content),
                    instances=next(iter(timed.values())).get('instances'), rows=[
            dict(what=precision, **{part: (values.get(part) or {}).get('p50_ms') for part in (
                'total', 'preprocessing', 'network', 'postprocessing')})
            for precision, values in timed.items()])
    if isinstance(content, dict) and isinstance(content.get('results'), dict):
        rows = []
        for backend, models in content['results'].items():
            row = _pick(path, label, [({row['model']}, row) for row in models])
            rows.append(dict(what=backend, total=None, preprocessing=None, postprocessing=None,
                             network=row['median_ms']))
        return dict(source=str(path), options='', instances=None, rows=rows)
    raise UserError(f'{path}: is neither report.json of tools/benchmark.py nor what '
                    'tools/benchmark_latency.py --json wrote')


def _options(content: dict) -> str:
    changed = (content.get('settings') or {}).get('cfg_options') or {}
    return ' '.join(f'{key}={value}' for key, value in changed.items())


def _pick(path: Path, label: str, rows: list[tuple[set, dict]]) -> dict:
    """The row of a model."""
    found = [row for names, row in rows if label in names]
    if len(found) == 1 or (not found and len(rows) == 1):
        return found[0] if found else rows[0][1]
    if not rows:
        raise UserError(f'{path}: no model was timed; run tools/benchmark.py without --only, or '
                        'with --only latency')
    names = sorted({str(name) for own, _ in rows for name in own if name})
    raise UserError(f'{path}: holds no single latency of {label!r}; there are: '
                    f'{"; ".join(names)}. Name the model so: LABEL=PREDICTIONS')
