"""Write an INT8 form of an exported file, this project's or a peer's.

    python tools/quantize.py end2end.onnx data/peld/images
    python tools/quantize.py peers/yolov8n-seg.onnx data/peld/images --backend openvino

Images become what the file's description says, or, without one, RGB in 0 to 1, resized to fit and
padded with grey, as Ultralytics' networks take them. The result lies beside the file as
NAME_int8.onnx (QDQ, ONNX Runtime and TensorRT read it) or NAME_int8.xml (OpenVINO, by NNCF).
Nothing else is changed: the runtime, test_deployed.py and benchmark_latency.py take it as it is.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from medseg.cli import reports_user_errors
from medseg.errors import UserError
from medseg.runtime.files import find_images


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, help='.onnx, or .xml of OpenVINO')
    parser.add_argument('images', type=Path, help='image, or folder of images, to calibrate with')
    parser.add_argument('--backend', choices=('onnxruntime', 'openvino'),
                        help='default: onnxruntime for .onnx, openvino for .xml')
    parser.add_argument('--calib-num', type=int, default=128,
                        help='images to take, spread over the folder (default: 128)')
    parser.add_argument('--keep-fp32', nargs='+', default=[], metavar='REGEX',
                        help='layers to leave in FP32 besides the last ones, by name')
    parser.add_argument('--activation', choices=('int8', 'uint8'), default='int8',
                        help='of ONNX: int8 is what TensorRT reads, uint8 is quicker in ONNX '
                        'Runtime on x86 (default: int8)')
    parser.add_argument('--out', type=Path, help='folder of the result (default: beside the file)')
    args = parser.parse_args(argv)
    if args.calib_num < 1:
        parser.error(f'--calib-num {args.calib_num}: must be at least 1')
    args.backend = args.backend or ('openvino' if args.model.suffix == '.xml' else 'onnxruntime')
    return args


@reports_user_errors
def main(argv=None) -> int:
    """Quantise; returns the exit code."""
    args = parse_args(argv)
    if not args.model.is_file():
        raise UserError(f'{args.model}: no such file; make it with tools/deploy.py')
    out = args.out or args.model.parent
    files, _ = find_images(args.images, out / '.none')
    picked = np.linspace(0, len(files) - 1, min(args.calib_num, len(files))).round().astype(int)
    from medseg.deploy.quantize import quantize
    settings = dict(activation=args.activation) if args.backend == 'onnxruntime' else {}
    file, layers = quantize(args.model, args.backend, [files[i] for i in picked], out,
                            keep=args.keep_fp32, **settings)
    print(f'wrote {file}, calibrated with {len(picked)} images; in FP32: {", ".join(layers)}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
