"""Test an exported model; otherwise as tools/test.py: same data, same metric, same output.

    python tools/test_deployed.py configs/deploy/instance-seg_onnxruntime_dynamic.py \\
        configs/lmsfa/lmsfa-n_1xb8-300e_peld.py --model out/end2end.onnx
"""
from __future__ import annotations

import argparse
from pathlib import Path

from medseg.cli import check_data, load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.testing import (
    add_output_arguments,
    check_output_arguments,
    run_test,
    show_predictions,
)
from medseg.errors import UserError

#: Endings of the files that each backend can be tested from.
ENDINGS = {'onnxruntime': '.onnx', 'openvino': '.xml'}


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('deploy_cfg', help='deploy config that the file was exported with')
    parser.add_argument('model_cfg', help='config of the model')
    parser.add_argument('--model', required=True, help='exported file: .onnx, or .xml of OpenVINO')
    add_output_arguments(parser, './work_dirs/<name of the config>_deployed')
    parser.add_argument('--threads', type=int, default=0,
                        help="threads of the backend (default: the backend's choice)")
    return parser.parse_args(argv)


@reports_user_errors
def main(argv=None) -> int:
    """Test; returns the exit code."""
    args = parse_args(argv)
    check_output_arguments(args)
    compat.setup()
    backend = load_config(args.deploy_cfg).backend_config.type
    if backend not in ENDINGS:
        raise UserError(f'{args.deploy_cfg}: {backend} cannot be tested here; test the ONNX file '
                        'with a config of onnxruntime')
    if Path(args.model).suffix != ENDINGS[backend]:
        raise UserError(f'--model {args.model}: {args.deploy_cfg} is for {backend}, whose files '
                        f'end in {ENDINGS[backend]}')
    cfg = load_config(args.model_cfg, args.cfg_options)
    from medseg.deploy import backends, detector  # noqa: F401  (registers the detector)
    backends.load(args.model, args.threads)  # complains before the data are read
    cfg.work_dir = args.work_dir or str(
        Path('work_dirs') / f'{Path(args.model_cfg).stem}_deployed')
    cfg.model = dict(type='DeployedDetector', file=args.model, threads=args.threads,
                     data_preprocessor=cfg.model.data_preprocessor)
    cfg.load_from = None
    # Averaged weights are in the file already.
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or []
                        if hook['type'] != 'EMAHook']
    check_data(cfg, ('test_dataloader',))
    show_predictions(cfg, args)
    run_test(cfg, args)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
