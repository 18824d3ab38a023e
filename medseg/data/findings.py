"""What there is to tell about a data set, record by record; converters and checks share it."""

from __future__ import annotations

from dataclasses import dataclass

from medseg.errors import printable


@dataclass(frozen=True)
class Finding:
    """One thing to tell about a source.

    Attributes:
        file: File it is in.
        record: Place in the file (``line 3``, ``image 7``); empty for the file as a whole.
        kind: Short name of the fault, the same for all records that share it.
        reason: The fault with its numbers.
        subset: Subset the file belongs to, where that is known.
        records: Records lost by it; 0 for a remark, and for an image without records.
        skipped: Something is not used because of it; a remark otherwise.
    """

    file: str
    record: str
    kind: str
    reason: str
    subset: str = ''
    records: int = 0
    skipped: bool = True

    def __post_init__(self) -> None:
        # names come from strangers; no terminal and no UTF-8 file takes half a character
        for name in ('file', 'record', 'kind', 'reason'):
            object.__setattr__(self, name, printable(str(getattr(self, name))))

    @property
    def place(self) -> str:
        """File and record."""
        return f'{self.file}: {self.record}' if self.record else self.file

    def __str__(self) -> str:
        return f'{self.place}: {self.kind}: {self.reason}'
