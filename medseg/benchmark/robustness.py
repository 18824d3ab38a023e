"""How much of a model's accuracy is left when images are corrupted.

After Michaelis et al., "Benchmarking Robustness in Object Detection" (2019): mPC is the mean over
corruptions and severities of the figure, rPC its share of the clean figure. The corruptions are
applied to the image as read, before any pipeline, and leave the masks true. Predictions of each
condition are kept in a file, so that an interrupted run goes on where it stopped.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from medseg.data.corruptions import SEVERITIES, corrupt, find
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.metrics.bootstrap import image_weights, interval
from medseg.metrics.instance_matches import Matches, match
from medseg.runtime.images import read_image

#: Figure: what is matched, and the figure of ``Matches.figures``.
FIGURES = {'mask mAP': ('segm', 'mAP'), 'mask mAP50': ('segm', 'mAP_50'),
           'boundary mAP': ('boundary', 'mAP')}
#: Confidence from which an instance counts where single images are compared.
SHOWN = 0.25


@dataclass(frozen=True)
class Condition:
    """A corruption at a severity; severity 0 is the clean image."""

    corruption: str
    severity: int

    @property
    def name(self) -> str:
        """File name and label, such as ``smoke-3``."""
        return f'{self.corruption}-{self.severity}' if self.severity else 'clean'


CLEAN = Condition('clean', 0)


def conditions(names: Sequence[str], severities: Sequence[int] = SEVERITIES) -> list[Condition]:
    """The clean images, then every corruption at every severity.

    Raises:
        UserError: No such corruption or severity.
    """
    wrong = [s for s in severities if s not in SEVERITIES]
    if wrong or not severities:
        raise UserError(f'severities are {SEVERITIES[0]} to {SEVERITIES[-1]}, got {list(wrong)}')
    return [CLEAN, *(Condition(name, severity) for name in find(names)
                     for severity in sorted(set(severities)))]


def corrupted(image: np.ndarray, condition: Condition, key: str, seed: int) -> np.ndarray:
    """An image under a condition; see :func:`medseg.data.corruptions.corrupt`."""
    if condition.severity == 0:
        return image
    return corrupt(image, condition.corruption, condition.severity, key, seed)


def predict(predictor: Callable[[np.ndarray], list[dict]], truth: COCO, images: Path,
            todo: Sequence[tuple[Condition, Path]], seed: int = 0
            ) -> Iterator[tuple[int, int]]:
    """Predict the test set under conditions and write a file for each.

    Args:
        predictor: BGR uint8 to COCO records without ``image_id``.
        truth: The test set.
        images: Folder of its images.
        todo: Conditions and the JSON file of each.
        seed: Of the corruptions.

    Yields:
        tuple[int, int]: Images predicted so far, and in all.
    """
    ids, total = sorted(truth.imgs), len(todo) * len(truth.imgs)
    for number, (condition, file) in enumerate(todo):
        records = []
        for place, image_id in enumerate(ids):
            name = str(truth.imgs[image_id]['file_name'])
            image = corrupted(read_image(images / name), condition, name, seed)
            records += [dict(item, image_id=image_id) for item in predictor(image)]
            yield number * len(ids) + place + 1, total
        write_json(file, records)


@dataclass
class Scores:
    """Figures of one model under every condition.

    Attributes:
        label (str): Its name.
        figures (dict): By condition, then figure; fractions.
        classes (dict): Mask AP by condition, then class.
        drawn (dict): By condition, then figure: (resamples,), the same draws for all models.
        per_image (dict): F1 at :data:`SHOWN` and IoU 0.5 by condition, (images,); NaN where an
            image holds nothing and nothing was found.
        unit (str): What was drawn, ``patient`` or ``image``.
    """

    label: str
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    classes: dict[str, dict[str, float]] = field(default_factory=dict)
    drawn: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    per_image: dict[str, np.ndarray] = field(default_factory=dict)
    unit: str = 'image'

    def mean(self, figure: str, names: Sequence[str]) -> float:
        """mPC: mean of a figure over conditions."""
        return float(np.mean([self.figures[name][figure] for name in names]))

    def mean_draws(self, figure: str, names: Sequence[str]) -> np.ndarray:
        """mPC in every resample, (resamples,)."""
        return np.mean([self.drawn[name][figure] for name in names], axis=0)


def image_f1(matches: Matches, score: float = SHOWN) -> np.ndarray:
    """F1 of each image over all classes at IoU 0.5, (images,); NaN for an empty one."""
    hits, misses, targets = (np.zeros(len(matches.groups)) for _ in range(3))
    for found in matches.classes:
        shown = (found.scores >= score) & found.counted[0]
        np.add.at(hits, found.images[shown], found.hits[0, shown])
        np.add.at(misses, found.images[shown], ~found.hits[0, shown])
        targets += found.targets
    with np.errstate(invalid='ignore'):
        return 2 * hits / (hits + misses + targets)


def score(label: str, truth: COCO, files: dict[str, Path], max_dets: int = 100,
          resamples: int = 200) -> Scores:
    """Score the prediction files of a model, by condition's name."""
    scores = Scores(label)
    for name, file in files.items():
        records = read_json(file)
        found = {kind: match(truth, records, kind, max_dets)
                 for kind in dict.fromkeys(kind for kind, _ in FIGURES.values())}
        masks = found['segm']
        weights = image_weights(masks.groups, resamples)
        scores.figures[name] = {figure: found[kind].figures()[key]
                                for figure, (kind, key) in FIGURES.items()}
        drawn = {kind: [matches.figures(w) for w in weights] for kind, matches in found.items()}
        scores.drawn[name] = {figure: np.array([draw[key] for draw in drawn[kind]])
                              for figure, (kind, key) in FIGURES.items()}
        scores.classes[name] = {c: float(m.average_precision().mean())
                                for c, m in zip(masks.names, masks.classes, strict=True)}
        scores.per_image[name] = image_f1(masks)
        scores.unit = masks.unit
    return scores


def _row(value: float, drawn: np.ndarray) -> dict:
    return dict(value=None if np.isnan(value) else value, interval=interval(drawn))


def summarise(models: Sequence[Scores], names: Sequence[Condition], reference: str | None = None
              ) -> dict:
    """mPC and rPC of each model and each corruption, with paired differences.

    Args:
        models: Scores on the same conditions.
        names: The conditions, clean ones first.
        reference: Label of the model that the others are compared with.

    Returns:
        dict: ``unit``, ``reference`` and ``models``: for each ``label``; by figure ``clean``,
        ``mpc`` and ``rpc`` with intervals, ``corruptions`` (mPC of each) and ``curve`` (values by
        corruption, by rising severity), and ``mpc_difference``, ``rpc_difference`` from the
        reference; ``classes``, mask AP by class, clean and by corruption. A share of nothing is
        None.

    Raises:
        UserError: There is no such reference.
    """
    labels = [model.label for model in models]
    if reference is not None and reference not in labels:
        raise UserError(f'no model {reference!r} to compare with; there are: {", ".join(labels)}')
    hard = [c.name for c in names if c.severity]
    groups: dict[str, list[str]] = {}
    for condition in names:
        if condition.severity:
            groups.setdefault(condition.corruption, []).append(condition.name)
    base = models[labels.index(reference)] if reference else None
    rows = []
    for model in models:
        row: dict = dict(label=model.label, figures={}, classes={})
        for figure in FIGURES:
            clean, drawn = model.figures['clean'][figure], model.drawn['clean'][figure]
            mean, draws = model.mean(figure, hard), model.mean_draws(figure, hard)
            entry = dict(
                clean=_row(clean, drawn), mpc=_row(mean, draws),
                rpc=_row(_share(mean, clean), _share(draws, drawn)),
                corruptions={c: _row(model.mean(figure, n), model.mean_draws(figure, n))
                             for c, n in groups.items()},
                curve={c: [model.figures[name][figure] for name in n] for c, n in groups.items()})
            if base is not None and base is not model:
                other, others = base.mean(figure, hard), base.mean_draws(figure, hard)
                entry['mpc_difference'] = _row(mean - other, draws - others)
                entry['rpc_difference'] = _row(
                    _share(mean, clean) - _share(other, base.figures['clean'][figure]),
                    _share(draws, drawn) - _share(others, base.drawn['clean'][figure]))
            row['figures'][figure] = entry
        row['classes'] = {
            name: dict(clean=clean, **{c: float(np.mean([model.classes[n][name] for n in found]))
                                       for c, found in groups.items()})
            for name, clean in model.classes['clean'].items()}
        rows.append(row)
    return dict(unit=models[0].unit, reference=reference, models=rows)


def _share(part, whole):
    with np.errstate(invalid='ignore', divide='ignore'):
        return part / whole if isinstance(whole, np.ndarray) or whole else float('nan')


def worst_cases(model: Scores, names: Sequence[Condition], count: int = 12
                ) -> list[tuple[int, Condition, float, float]]:
    """Index of the image, condition, and its F1 clean and corrupted, by falling loss.

    At most one condition per image and corruption is listed.
    """
    clean = model.per_image['clean']
    found = []
    for condition in names:
        if condition.severity:
            loss = clean - model.per_image[condition.name]
            found += [(float(v), index, condition) for index, v in enumerate(loss) if v > 0]
    seen: set[tuple[int, str]] = set()
    rows = []
    for _, index, condition in sorted(found, key=lambda f: (-f[0], f[2].severity, f[1])):
        if (index, condition.corruption) in seen or len(rows) == count:
            continue
        seen.add((index, condition.corruption))
        rows.append((index, condition, float(clean[index]),
                     float(model.per_image[condition.name][index])))
    return rows
