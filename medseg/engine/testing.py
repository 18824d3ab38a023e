"""What the tools that test models share: where results go, and the run itself."""
from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook

from medseg.engine.runner import build_runner
from medseg.engine.work_dir import end_children_with_parent
from medseg.errors import UserError


def add_output_arguments(parser: argparse.ArgumentParser, work_dir: str) -> None:
    """Options of MMDetection's test tool about its output, and ``--cfg-options``.

    Args:
        parser (argparse.ArgumentParser): Gets them.
        work_dir (str): What the work dir is by default, for the help.
    """
    parser.add_argument('--work-dir', help=f'where logs and metrics go; default: {work_dir}')
    parser.add_argument('--out', help='write the predictions to this .pkl file')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--show-dir', help='save painted images to '
                        '<work dir>/<time stamp>/<show dir>')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds each is shown')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config; lists as key="[a,b]" or key=a,b, '
                        'nested ones as key="[(a,b),(c,d)]", quoted and without spaces')


def check_output_arguments(args: argparse.Namespace) -> None:
    """Refuse what could not be written, before anything is computed.

    Raises:
        UserError: ``--out`` is no pickle file.
    """
    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out {args.out}: the name must end in .pkl or .pickle')


def show_predictions(cfg: Config, args: argparse.Namespace) -> None:
    """Let a run paint its predictions if the arguments ask for it, in place."""
    if args.show or args.show_dir:
        trigger_visualization_hook(cfg, args)


def run_test(cfg: Config, args: argparse.Namespace, hooks: Sequence[Hook] = ()) -> None:
    """Test what a config describes, with further hooks, and write ``--out``."""
    end_children_with_parent()
    runner = build_runner(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    if args.out is not None:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    runner.test()
