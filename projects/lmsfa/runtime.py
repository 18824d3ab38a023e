"""Address of release 0.1; the runtime is :mod:`medseg.runtime` now."""
from medseg.runtime import Instances, ModelError, Segmenter

__all__ = ['Instances', 'ModelError', 'Segmenter']

if __name__ == '__main__':
    from medseg.runtime.__main__ import main
    raise SystemExit(main())
