"""Kill trainings at random moments, a third of them while a file is written, and resume them.

    python tests/kill_training.py --kills 30

Every training must end with the weights, averages and optimiser state of one that was left alone,
with one best checkpoint and nothing half-written. The trainings are those of tools/train.py on a
tiny set, in processes forked from this one so that each starts in seconds.
"""
from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')  # sums in one order, and no threads before a fork

import torch
from mmdet.utils import register_all_modules
from mmengine.fileio import LocalBackend
from tool_runs import ROOT, load_tool, write_tiny_config

from medseg.engine.checkpoint_file import read_checkpoint

EPOCHS = 4
#: Files are written in so many steps per epoch, about: content, name, pointer; twice for the best.
STEPS = 10


def kill_at_step(number: int) -> None:
    """Let this process kill itself at the ``number``-th step of writing files."""
    left = [number]

    def count(last_words: Callable[[], object]) -> None:
        left[0] -= 1
        if left[0] == 0:
            last_words()
            os.kill(os.getpid(), signal.SIGKILL)

    put, rename = LocalBackend.put, os.replace

    def half_put(self, content, path) -> None:
        count(lambda: put(self, bytes(content)[:len(content) // 2], path))
        put(self, content, path)

    def counted_rename(source, target) -> None:
        count(lambda: None)
        rename(source, target)
        count(lambda: None)

    LocalBackend.put, os.replace = half_put, counted_rename


def start(tool, words: list[str], log: Path, step: int | None) -> int:
    """Fork a training; returns its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if step is not None:
            kill_at_step(step)
        code = tool.main(words)
    finally:
        os._exit(code)


def wait(process: int, seconds: float | None) -> int:
    """Wait for a process, kill it after some time; its exit code, negative if killed."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            deadline = None
        time.sleep(0.005)


def differences(work: Path, reference: Path) -> list[str]:
    """What the last checkpoint, or what lies in the folder, has otherwise than the reference."""
    found = []
    wanted, got = (read_checkpoint(folder / f'epoch_{EPOCHS}.pth') for folder in (reference, work))
    for part in ('state_dict', 'ema_state_dict'):
        found += [f'{part}: {key}' for key, value in wanted[part].items()
                  if not torch.equal(value, got[part][key])]
    for number, state in wanted['optimizer']['state'].items():
        found += [f'optimizer: {number}.{key}' for key, value in state.items()
                  if isinstance(value, torch.Tensor)
                  and not torch.equal(value, got['optimizer']['state'][number][key])]
    files = [sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != '.lock')
             for folder in (reference, work)]
    return found + ([] if files[0] == files[1] else [f'files: {files[1]} instead of {files[0]}'])


def kill_and_resume(folder: Path, kills: int, seed: int, say: Callable[[str], None] = print
                    ) -> list[str]:
    """Kill trainings ``kills`` times.

    Returns:
        list[str]: What went wrong; empty when every training went on and ended as it should.
    """
    os.chdir(ROOT)
    tool, choose = load_tool('tools/train.py'), random.Random(seed)
    register_all_modules(init_default_scope=True)
    config = write_tiny_config(folder, EPOCHS)
    words = [str(config), '--cfg-options', 'train_cfg.val_interval=1', '--resume', '--work-dir']
    reference, began = folder / 'reference', time.monotonic()
    if wait(start(tool, [*words, str(reference)], folder / 'reference.log', None), None) != 0:
        return [(folder / 'reference.log').read_text()[-3000:]]
    whole = time.monotonic() - began
    say(f'left alone: {whole:.1f} s')
    done = trainings = 0
    while done < kills:
        trainings += 1
        work, log = folder / f'work{trainings}', folder / f'work{trainings}.log'
        while True:
            writing = done < kills and done % 3 == 0
            step = choose.randint(1, STEPS * EPOCHS // 2) if writing else None
            seconds = choose.uniform(0.05, 1) * whole if done < kills and not writing else None
            code = wait(start(tool, [*words, str(work)], log, step), seconds)
            if code == 0:
                break
            if code != -signal.SIGKILL:
                return [f'training {trainings} ended with {code}:\n{log.read_text()[-3000:]}']
            done += 1
            moment = f'step {step} of writing' if writing else f'{seconds:.2f} s'
            present = sorted(p.name for p in work.glob('*.pth')) if work.is_dir() else []
            say(f'kill {done} at {moment}; there: {", ".join(present) or "nothing"}')
        wrong = differences(work, reference)
        say(f'training {trainings} ended after {done} kills: '
            f'{"; ".join(wrong[:5]) or "same weights, averages, optimiser and files"}')
        if wrong:
            return wrong
    return []


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=30)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        wrong = kill_and_resume(Path(folder), args.kills, args.seed,
                                lambda line: print(line, flush=True))
    print('\n'.join(wrong) or f'{args.kills} kills, every training resumed and ended the same')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main())
