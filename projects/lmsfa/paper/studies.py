"""Comparisons that the paper's claims ask for and its tables lack; suites of the benchmark."""
from __future__ import annotations

from medseg.benchmark.references import ReferenceRow, ReferenceTable

from .tables import LMSFA

STUDIES: dict[str, ReferenceTable] = {
    'small-batch': ReferenceTable('Normalisation at small batches', (
        ReferenceRow('row 1, BatchNorm', 'configs/lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py'),
        ReferenceRow('row 1, GroupNorm', 'configs/lmsfa/norms/lmsfa-n_base-gn_1xb8-300e_peld.py'),
        ReferenceRow('row 4 (LMSH), GroupNorm in the head',
                     'configs/lmsfa/ablation/lmsfa-n_lmsh_1xb8-300e_peld.py'),
        ReferenceRow('row 4 (LMSH), GroupNorm everywhere',
                     'configs/lmsfa/norms/lmsfa-n_lmsh-gn_1xb8-300e_peld.py'),
        ReferenceRow('LMSF-A-n, GroupNorm in the head', LMSFA),
    )),
}
