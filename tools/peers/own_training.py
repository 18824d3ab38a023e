"""Time training iterations of a config. Started by ``compare_train_speed.py``.

Prints the seconds of each iteration and the peak memory of the process as JSON.
"""
import argparse
import json
import resource
import time

from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.runner import Runner


class Enough(Exception):
    """Raised to leave the loop after the wanted number of iterations."""


class Stopwatch(Hook):
    """Time from the end of one iteration to the end of the next, data loading included."""

    def __init__(self, iterations: int) -> None:
        self.iterations, self.times, self.last = iterations, [], None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        now = time.perf_counter()
        if self.last is not None:
            self.times.append(now - self.last)
        self.last = now
        if len(self.times) >= self.iterations:
            raise Enough


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('--iterations', type=int, required=True)
    parser.add_argument('--work-dir', required=True)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options)
    config.work_dir = args.work_dir
    config.log_level = 'ERROR'
    runner = Runner.from_cfg(config)
    watch = Stopwatch(args.iterations)
    runner.register_hook(watch, priority='LOWEST')
    try:
        runner.train()
    except Enough:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20
    print(json.dumps(dict(seconds=watch.times, peak_gib=peak)))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
