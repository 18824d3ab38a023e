"""Which differences between models would another draw of patients, or seeds, not turn round."""
from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from medseg.errors import UserError
from medseg.io import read_json
from medseg.metrics.bootstrap import RESAMPLES, draws, interval
from medseg.metrics.instance_matches import Matches, match, read_truth
from medseg.metrics.matching import ClassMatches
from medseg.metrics.permutation import PERMUTATIONS, exchange_p, holm, over_seeds
from medseg.metrics.surface import ClassContours
from medseg.tables import markdown

from .paired_comparison import FIGURES, Predictions

HEADINGS = tuple(heading for heading, _, _ in FIGURES)
DEFAULT = ('mask mAP',)


def side_by_side(first: Matches, second: Matches) -> Matches:
    """Two models' matches on one test set as one on twice its images: the first's, the second's.

    Weights of 0 and 1 then choose, image by image, whose predictions count; see
    :meth:`.Matches.figures`.
    """
    count = len(first.groups)
    classes = tuple(_joined(a, b, count)
                    for a, b in zip(first.classes, second.classes, strict=True))
    contours = tuple(
        ClassContours(np.concatenate([a.hits, b.hits + count]),
                      np.concatenate([a.values, b.values]),
                      np.concatenate([a.false_positives, b.false_positives + count]),
                      np.concatenate([a.targets, b.targets + count]))
        for a, b in zip(first.contours, second.contours, strict=True))
    return Matches(classes, first.names, np.concatenate([first.groups] * 2), first.unit, contours)


def _joined(a: ClassMatches, b: ClassMatches, count: int) -> ClassMatches:
    scores = np.concatenate([a.scores, b.scores])
    order = np.argsort(-scores, kind='mergesort')
    return ClassMatches(np.concatenate([a.images, b.images + count])[order], scores[order],
                        np.concatenate([a.hits, b.hits], axis=1)[:, order],
                        np.concatenate([a.counted, b.counted], axis=1)[:, order],
                        np.concatenate([a.targets, b.targets]))


def exchanged(pairs: Sequence[Matches], figure: str, swapped: np.ndarray) -> float:
    """Mean over pairs of seeds of the second model's figure less the first's, after an exchange.

    Args:
        pairs (Sequence[Matches]): Of :func:`side_by_side`, one per seed.
        figure (str): Of :meth:`.Matches.figures`.
        swapped (np.ndarray): Patients whose models change places, bool, (patients,).
    """
    values = []
    for pair in pairs:
        second = ~swapped[pair.groups[:len(pair.groups) // 2]]
        own, other = np.concatenate([~second, second]), np.concatenate([second, ~second])
        values.append(pair.figures(own.astype(int))[figure]
                      - pair.figures(other.astype(int))[figure])
    return float(np.mean(values))


def significance(models: Sequence[Predictions], reference: str,
                 figures: Sequence[str] = DEFAULT, permutations: int = PERMUTATIONS,
                 resamples: int = RESAMPLES, tolerance: float = 3,
                 report: Callable[[str], None] = lambda text: None) -> dict:
    """Test every model against one of them, patient by patient, its seeds together.

    Args:
        models (Sequence[Predictions]): On one test set; those of one ``family`` are seeds.
        reference (str): Family to compare with.
        figures (Sequence[str]): Of :data:`HEADINGS`; with the models they make the family of
            tests that is corrected for.
        permutations, resamples (int): See :func:`.exchange_p` and :func:`.draws`.
        tolerance (float): Of NSD, in pixels.
        report (Callable): Gets a line when a model is done.

    Returns:
        dict: ``reference``, ``unit``, ``groups`` (how many are exchanged), ``permutations``,
        ``exact``, ``resamples`` and ``rows``: ``label``, ``seeds``, ``figure``, ``difference``
        (mean over seeds, a fraction), ``interval`` (patients, then seeds), ``p`` and ``p_holm``.

    Raises:
        UserError: There is nothing to compare with, a figure is unknown, files are missing, or
            the numbers of seeds differ and neither is 1.
    """
    families: dict[str, list[Predictions]] = {}
    for model in models:
        families.setdefault(model.family, []).append(model)
    if reference not in families or len(families) < 2:
        raise UserError(f'--test compares the others with {reference!r}; the models are: '
                        f'{", ".join(families)}')
    for heading in figures:
        if heading not in HEADINGS:
            raise UserError(f'--test {heading}: no such figure; there are: {", ".join(HEADINGS)}')
    for name, members in families.items():
        if len({len(members), len(families[reference])} - {1}) > 1:
            raise UserError(f'{name} has {len(members)} seeds, {reference} '
                            f'{len(families[reference])}; give all models the same number, or one')
    truth = read_truth(models[0].ann_file, need_masks=True)
    chosen = [item for item in FIGURES if item[0] in figures]

    @functools.cache
    def matched(model: Predictions, kind: str, contours: bool) -> Matches:
        ending = 'bbox' if kind == 'bbox' else 'segm'
        path = model.prefix.with_name(f'{model.prefix.name}.{ending}.json')
        return match(truth, read_json(path), kind, model.max_dets, tolerance if contours else None)

    @functools.cache
    def drawn(model: Predictions, kind: str, contours: bool, figure: str
              ) -> tuple[float, np.ndarray]:
        found = matched(model, kind, contours)
        return found.figures()[figure], draws(found.figures, found.groups, resamples)[figure]

    rows, unit, groups = [], 'image', 0
    for heading, kind, figure in chosen:
        contours = figure.startswith('nsd')
        base = [drawn(model, kind, contours, figure) for model in families[reference]]
        for number, (name, members) in enumerate(families.items(), start=1):
            if name == reference:
                continue
            count = max(len(members), len(families[reference]))
            pairs = [side_by_side(matched(a, kind, contours), matched(b, kind, contours))
                     for a, b in itertools.islice(zip(
                         itertools.cycle(families[reference]), itertools.cycle(members)), count)]
            unit, groups = pairs[0].unit, int(pairs[0].groups.max(initial=-1)) + 1
            own = [drawn(model, kind, contours, figure) for model in members]
            spread = over_seeds([values for _, values in own], number) \
                - over_seeds([values for _, values in base])
            rows.append(dict(
                label=name, seeds=len(members), figure=heading,
                difference=float(np.mean([v for v, _ in own]) - np.mean([v for v, _ in base])),
                interval=interval(spread),
                p=exchange_p(functools.partial(exchanged, pairs, figure), groups, permutations)))
            report(f'{name}: {heading}: p = {rows[-1]["p"]:.4f}')
    for row, value in zip(rows, holm([row['p'] for row in rows]), strict=True):
        row['p_holm'] = value
    return dict(reference=reference, unit=unit, groups=groups, permutations=permutations,
                exact=2 ** groups <= permutations, resamples=resamples, rows=rows)


def significance_table(tests: dict) -> str:
    """Markdown: differences in points with intervals, p and Holm's p."""
    rows = []
    for row in tests['rows']:
        text = f'{100 * row["difference"]:+.1f}'
        if row['interval']:
            low, high = (100 * end for end in row['interval'])
            text += f' ({low:+.1f} to {high:+.1f})'
        rows.append([row['label'], row['figure'], str(row['seeds']), text, p_text(row['p']),
                     p_text(row['p_holm'])])
    unit, count = tests['unit'], tests['groups']
    least = 2 / min(2 ** count, tests['permutations'] + 1)
    how = f'all {2 ** count}' if tests['exact'] else f'{tests["permutations"]} random'
    seeds = ', then seeds' if any(row['seeds'] > 1 for row in tests['rows']) else ''
    header = [f'less {tests["reference"]}', 'figure', 'seeds', 'difference', 'p',
              f'p, Holm ({len(rows)} tests)']
    return (f'{markdown(header, rows, words=2)}\n\n'
            f'Points; in brackets 95 % intervals by bootstrap over {unit}s{seeds} '
            f'({tests["resamples"]} draws). p: two-sided, {how} exchanges of the two models\' '
            f'predictions {unit} by {unit} ({count} {unit}s, so p is at least {p_text(least)}).')


def p_text(value: float) -> str:
    """Four decimals, or that it is below them."""
    return '< 0.0001' if value < 0.0001 else f'{value:.4f}'

