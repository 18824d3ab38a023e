"""The metric of 3-D segmentation: figures per region, with intervals over patients."""
from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from scipy.stats import bootstrap
from terminaltables import AsciiTable

from medseg.io import write_json

from .region_scores import FIGURES, score_case


def patient_means(values: np.ndarray, patients: Sequence[str]) -> np.ndarray:
    """Mean of each patient's cases, NaN left out: (cases, R) -> (patients, R)."""
    names = sorted(set(patients))
    owner = np.array([names.index(p) for p in patients])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # a patient without a figure stays NaN
        return np.stack([np.nanmean(values[owner == i], axis=0) for i in range(len(names))])


def interval(means: np.ndarray, seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap interval, over patients, of the mean over regions.

    Args:
        means: (patients, R), NaN where a patient has no figure.
    """
    if len(means) < 2:
        return float('nan'), float('nan')

    def statistic(index: np.ndarray) -> float:
        return float(np.nanmean(_nanmean(means[index.astype(int)])))

    result = bootstrap((np.arange(len(means)),), statistic, vectorized=False,
                       n_resamples=resamples, method='percentile',
                       rng=np.random.default_rng(seed))
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@METRICS.register_module()
class VolumeMetric(BaseMetric):
    """Dice, HD95 (mm) and NSD per region, averaged over each patient's cases, then patients.

    Keys are ``volume/dice``, ``volume/hd95``, ``volume/nsd_2mm``, means over regions;
    ``..._low`` and ``..._high``, a 95 % bootstrap interval over patients; and with ``regionwise``
    ``volume/REGION_dice`` and so on.

    Args:
        regions (Mapping[str, Sequence[int]], optional): Label values by region, which may
            overlap; by default each class but the background.
        tolerance_mm (float): Of NSD.
        regionwise (bool): Also report every region.
        outfile_prefix (str, optional): The figures of every case go to
            ``{outfile_prefix}.volumes.json``.
        collect_device (str): 'cpu' or 'gpu', for distributed testing.
    """

    default_prefix: str | None = 'volume'

    def __init__(self, regions: Mapping[str, Sequence[int]] | None = None,
                 tolerance_mm: float = 2.0, regionwise: bool = True,
                 outfile_prefix: str | None = None, collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.regions = dict(regions) if regions else None
        self.tolerance_mm = tolerance_mm
        self.regionwise = regionwise
        self.outfile_prefix = outfile_prefix

    def _regions(self) -> dict[str, Sequence[int]]:
        if self.regions is not None:
            return self.regions
        return {name: (i,) for i, name in enumerate(self.dataset_meta['classes']) if i}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Score one batch's cases.

        Args:
            data_batch (dict): Unused.
            data_samples (Sequence[dict]): Each with ``label``, ``pred_label``, ``case``,
                ``patient`` and ``spacing``.
        """
        for sample in data_samples:
            scores = score_case(sample['pred_label'].cpu().numpy(),
                                sample['label'].cpu().numpy(), self._regions(),
                                sample['spacing'], self.tolerance_mm)
            self.results.append((sample['case'], sample['patient'], scores))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """All figures; prints the table."""
        names, patients = list(self._regions()), [patient for _, patient, _ in results]
        figures: dict[str, float] = OrderedDict()
        table = [['region', *FIGURES]] + [[name] for name in names] + [['all']]
        for key in FIGURES:
            means = patient_means(np.stack([scores[key] for _, _, scores in results]), patients)
            title = f'nsd_{self.tolerance_mm:g}mm' if key == 'nsd' else key
            per_region = _nanmean(means)
            figures[title] = float(np.nanmean(per_region))
            figures[f'{title}_low'], figures[f'{title}_high'] = interval(means)
            if self.regionwise:
                for name, value in zip(names, per_region, strict=True):
                    figures[f'{name.replace(" ", "_")}_{title}'] = float(value)
            for row, value in zip(table[1:], [*per_region, figures[title]], strict=True):
                row.append(f'{value:.3f}')
        if self.outfile_prefix is not None:
            write_json(f'{self.outfile_prefix}.volumes.json', [
                dict(case=case, patient=patient, **{
                    key: dict(zip(names, _plain(scores[key]), strict=True)) for key in FIGURES})
                for case, patient, scores in results])
        logger: MMLogger = MMLogger.get_current_instance()
        logger.info(f'{len(results)} cases of {len(set(patients))} patients, means over patients, '
                    f'HD95 in mm, NSD at {self.tolerance_mm:g} mm\n{AsciiTable(table).table}')
        return figures


def _nanmean(means: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # a region without a figure stays NaN
        return np.nanmean(means, axis=0)


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]
