"""Address of release 0.1; it is tools/peers/own_training.py, which this runs."""
import runpy
from pathlib import Path

if __name__ == '__main__':
    runpy.run_path(str(Path(__file__).resolve().parents[2] /
                       'peers/own_training.py'), run_name='__main__')
