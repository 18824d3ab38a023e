"""Train a model, on the config's data or on your own; see ``--help``.

    python tools/train.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py
    python tools/train.py CONFIG --data data/cells --epochs 50 --size 512

The same where only the wheel is installed: ``python -m medseg.engine.train CONFIG``.
"""
from medseg.engine.train import main

if __name__ == '__main__':
    raise SystemExit(main())
