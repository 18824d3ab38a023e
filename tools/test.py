"""Test a checkpoint; see ``--help``.

    python tools/test.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py work_dirs/.../best.pth

The same where only the wheel is installed: ``python -m medseg.engine.test CONFIG CHECKPOINT``.
"""
from medseg.engine.test import main

if __name__ == '__main__':
    raise SystemExit(main())
