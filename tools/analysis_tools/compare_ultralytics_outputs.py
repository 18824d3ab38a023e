"""Address of release 0.1; it is tools/peers/compare_ultralytics_outputs.py, which this runs."""
import runpy
from pathlib import Path

if __name__ == '__main__':
    runpy.run_path(str(Path(__file__).resolve().parents[1] /
                       'peers/compare_ultralytics_outputs.py'), run_name='__main__')
