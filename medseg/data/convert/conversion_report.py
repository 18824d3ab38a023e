"""The account of a conversion: every record read is written out, merged, or listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg.data.findings import Finding
from medseg.errors import printable

from .records import Reading

FIELDS = ('subset', 'file', 'record', 'kind', 'reason', 'records')
"""What the report file tells of a finding."""

class ConversionReport:
    """Counts records and lists those that cannot be used.

    Args:
        source_format: Name of the format read.
        source: Directory read, or the file that names the directories.
    """

    def __init__(self, source_format: str, source: Path) -> None:
        self.source_format = source_format
        self.source = source
        self.skipped: list[Finding] = []
        self.warnings: list[Finding] = []
        self.records_in: Counter[str] = Counter()
        self.merged: Counter[str] = Counter()
        self.images_in: Counter[str] = Counter()
        self.images_out: Counter[str] = Counter()
        self.annotations_out: Counter[str] = Counter()
        self.places: dict[str, dict[str, str]] = {}

    def add(self, reading: Reading) -> None:
        """Takes one reading in: its counts, its findings, its image."""
        self.images_in[reading.subset] += reading.images
        self.records_in[reading.subset] += reading.records
        self.merged[reading.subset] += reading.merged
        for finding in reading.findings:
            path = Path(finding.file)
            if path.is_relative_to(self.source):
                finding = replace(finding, file=path.relative_to(self.source).as_posix())
            (self.skipped if finding.skipped else self.warnings).append(finding)
        if reading.image is not None:
            self.images_out[reading.subset] += 1
            self.annotations_out[reading.subset] += len(reading.image.instances)

    def subsets(self) -> list[str]:
        """Subsets seen, in the order train, val, test, others."""
        seen = {*self.images_in, *self.records_in, *(item.subset for item in self.skipped)}
        first = ('train', 'val', 'test')
        return [name for name in first if name in seen] + sorted(seen.difference(first))

    def row(self, subset: str) -> dict[str, int]:
        """Counts of one subset; ``records_in = annotations_out + merged + listed``."""
        return {
            'images_in': self.images_in[subset],
            'images_out': self.images_out[subset],
            'records_in': self.records_in[subset],
            'annotations_out': self.annotations_out[subset],
            'merged': self.merged[subset],
            'listed': sum(item.records for item in self.skipped if item.subset == subset),
        }

    def check_sums(self) -> None:
        """Asserts that no record is unaccounted for.

        Raises:
            AssertionError: a reader lost a record, which is a fault of the reader.
        """
        for subset in self.subsets():
            row = self.row(subset)
            if row['records_in'] != row['annotations_out'] + row['merged'] + row['listed']:
                raise AssertionError(f'{self.source}: records of {subset} do not add up: {row}')

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        rows = {subset: {**self.row(subset), **self.places.get(subset, {})}
                for subset in self.subsets()}
        total = {key: sum(row[key] for row in rows.values())
                 for key in ('images_in', 'images_out', 'records_in', 'annotations_out', 'merged',
                             'listed')}
        return {
            'format': self.source_format,
            'source': printable(str(self.source)),
            'total': total,
            'subsets': rows,
            'skipped_by_kind': dict(Counter(item.kind for item in self.skipped)),
            'warnings_by_kind': dict(Counter(item.kind for item in self.warnings)),
            'skipped': _rows(self.skipped),
            'warnings': _rows(self.warnings),
        }

    def summary(self) -> str:
        """The report as text: a line for each subset, each skipped record, warnings by kind."""
        lines = []
        for subset in self.subsets():
            row = self.row(subset)
            merged = f" + {row['merged']} merged into groups" if row['merged'] else ''
            lines.append(
                f"{subset}: images {row['images_in']} in, {row['images_out']} out; "
                f"records {row['records_in']} in = {row['annotations_out']} annotations out"
                f"{merged} + {row['listed']} listed")
            for key, value in self.places.get(subset, {}).items():
                lines.append(f"  {key.replace('_', ' ')}: {value}")
        if self.skipped:
            kinds = Counter(item.kind for item in self.skipped)
            lines.append('not used: ' + ', '.join(f'{n} x {kind}' for kind, n in kinds.items()))
            for item in self.skipped:
                lost = f' ({item.records} records)' if item.records > 1 else ''
                lines.append(f'  {item.place}: {item.reason}{lost}')
        if self.warnings:
            kinds = Counter(item.kind for item in self.warnings)
            lines.append('warnings: ' + ', '.join(f'{n} x {kind}' for kind, n in kinds.items())
                         + ' (each is in the report file)')
        return '\n'.join(lines)


def _rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{name: getattr(item, name) for name in FIELDS} for item in findings]
