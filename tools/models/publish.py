"""Make a small file of a trained checkpoint that is safe to share, test it, and write its card.

    python tools/models/publish.py CONFIG CHECKPOINT weights/NAME.pth \\
        --data "SynPELD, seed 0, ..." --command "python tools/train.py CONFIG"

Writes NAME.pth (the averaged weights in half precision, and what is needed to use them), NAME.json
(what tools/test.py measured with that file on the config's test set) and NAME.md, the card, whose
figures are read from the JSON. All three appear only when the test is done.
"""
from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from mmengine.config import Config, DictAction

from medseg.cli import check_data, load_config, newest, reports_user_errors, run_tool
from medseg.configs import test_dataset
from medseg.engine import compat
from medseg.engine.checkpoint import read_checkpoint
from medseg.engine.publishing import MOST_BYTES, card, published, write_weights
from medseg.errors import UserError
from medseg.io import read_json, write_bytes, write_json, write_text
from medseg.paths import shipped_root


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='config of the project that it was trained with')
    parser.add_argument('checkpoint', help='trained checkpoint')
    parser.add_argument('out', type=Path, help='file to write, such as weights/NAME.pth')
    parser.add_argument('--data', required=True, help='what it was trained on, for the card')
    parser.add_argument('--command', required=True, help='how it was trained, for the card')
    parser.add_argument('--trained', help='day of the training (default: that of the checkpoint)')
    parser.add_argument('--licence', default='Apache-2.0, as the project',
                        help='of the weights (default: %(default)s)')
    parser.add_argument('--most', type=int, default=MOST_BYTES, metavar='BYTES',
                        help='refuse a larger file (default: %(default)s)')
    parser.add_argument('--work-dir', type=Path, help='where the test goes (default: '
                        'work_dirs/publish/NAME)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        metavar='KEY=VALUE', help='for the test, such as the place of the data')
    return parser.parse_args(argv)


def tested_on(config: Config) -> dict:
    """The size of a config's test set, from its annotation file."""
    dataset = test_dataset(config)
    content = read_json(Path(dataset.get('data_root') or '.') / dataset.ann_file)
    return dict(ann_file='/'.join(Path(dataset.ann_file).parts[-2:]),
                images=len(content['images']), instances=len(content['annotations']))


def day_of(checkpoint: dict) -> str:
    """The day on which a checkpoint was written, such as 2026-11-25."""
    time = str((checkpoint.get('meta') or {}).get('time', ''))
    return f'{time[:4]}-{time[4:6]}-{time[6:8]}' if time[:8].isdigit() else 'unknown'


def inside_project(config: Path) -> str:
    """A config's path from the repository's root.

    Raises:
        UserError: It lies elsewhere; who gets the weights would not have it.
    """
    root = shipped_root().resolve()
    if not config.resolve().is_relative_to(root / 'configs'):
        raise UserError(f'{config}: is no config of the project; published weights name one of '
                        f'{root / "configs"}')
    return config.resolve().relative_to(root).as_posix()


@reports_user_errors
def main(argv=None) -> int:
    """Publish; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    if args.out.suffix != '.pth':
        raise UserError(f'{args.out}: the name must end in .pth')
    config = load_config(str(args.config), args.cfg_options)
    name = inside_project(args.config)
    check_data(config, ('test_dataloader',))
    checkpoint = read_checkpoint(args.checkpoint)
    work = (args.work_dir or Path('work_dirs/publish') / args.out.stem).resolve()
    draft = work / args.out.name
    size = write_weights(published(checkpoint, args.checkpoint, name), draft, args.most)
    # As given, not as merged: a value may be a list.
    options = [f'{key}={value}' for key, value in args.cfg_options.items()]
    run_tool('tools/test.py', args.config.resolve(), draft, '--work-dir', work / 'test',
             *(['--cfg-options', *options] if options else []))
    figures = {key: value for key, value in read_json(newest('*/*.json', work / 'test')).items()
               if key not in ('time', 'data_time')}
    today = datetime.date.today().isoformat()
    write_json(draft.with_suffix('.json'), dict(
        date=today, tested_on=tested_on(config), figures=figures,
        options={key: 'PATH' if str(value).startswith('/') else str(value)
                 for key, value in args.cfg_options.items()}), indent=1)
    averaged = 'ema_state_dict' in checkpoint if isinstance(checkpoint, dict) else False
    day = args.trained or day_of(checkpoint)
    write_text(draft.with_suffix('.md'), card(draft, {
        'weights': 'averaged over the last steps (`EMAHook`)' if averaged else 'of the last step',
        'data': args.data, 'command': f'`{args.command}`', 'trained': day, 'published': today,
        'licence': args.licence}))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ('.json', '.md', '.pth'):
        write_bytes(args.out.with_suffix(suffix), draft.with_suffix(suffix).read_bytes())
    print(f'{args.out}: {size:,} of at most {args.most:,} bytes; card: '
          f'{args.out.with_suffix(".md")}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
