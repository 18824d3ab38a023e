"""Training curves out of the scalars that mmengine writes."""
from __future__ import annotations

import json
from pathlib import Path


def training_curves(work: Path) -> dict[str, list[list[float]]]:
    """Mean loss of each epoch and the figures of each validation.

    Args:
        work (Path): Work dir of a training, also of one that was resumed: a later start's epochs
            replace an earlier one's.

    Returns:
        dict[str, list[list[float]]]: ``loss``, and ``bbox_mAP``, ``segm_mAP``, ``segm_mAP_50``
        where validated; each a list of (epoch, value).
    """
    losses: dict[int, list[float]] = {}
    figures: dict[str, dict[int, float]] = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        fresh: dict[int, list[float]] = {}
        for line in path.read_text(encoding='utf-8').splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the last line of a training that was killed
                continue
            if 'loss' in entry and 'epoch' in entry:
                fresh.setdefault(int(entry['epoch']), []).append(float(entry['loss']))
            for kind in ('bbox_mAP', 'segm_mAP', 'segm_mAP_50'):
                if f'coco/{kind}' in entry:
                    figures.setdefault(kind, {})[int(entry['step'])] = entry[f'coco/{kind}']
        losses.update(fresh)
    curves = {kind: [[epoch, round(value, 4)] for epoch, value in sorted(found.items())]
              for kind, found in figures.items()}
    mean = {epoch: sum(values) / len(values) for epoch, values in losses.items()}
    curves['loss'] = [[epoch, round(value, 4)] for epoch, value in sorted(mean.items())
                      if value == value and abs(value) != float('inf')]
    return curves
