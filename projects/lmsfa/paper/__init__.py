"""The paper's tables and its ways of counting; importing this registers both for benchmarks."""
from medseg.benchmark.references import register_convention, register_tables

from .flops import CONVENTIONS, paper_flops
from .studies import STUDIES
from .tables import PAPER_TABLES, PaperRow

register_tables(PAPER_TABLES)
register_tables(STUDIES)
for detector, convention in CONVENTIONS.items():
    register_convention(detector, convention)

__all__ = ['PAPER_TABLES', 'STUDIES', 'PaperRow', 'paper_flops']
