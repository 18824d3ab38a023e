"""Address of release 0.1; it is tools/data/check.py, which this runs."""
import runpy
from pathlib import Path

if __name__ == '__main__':
    runpy.run_path(str(Path(__file__).resolve().parents[1] /
                       'data/check.py'), run_name='__main__')
