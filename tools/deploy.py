"""Export a trained model; flags and behaviour are those of MMDeploy's tool.

    python tools/deploy.py configs/deploy/instance-seg_onnxruntime_dynamic.py CONFIG CHECKPOINT \\
        IMAGE --work-dir out --dump-info

Writes end2end.onnx, for OpenVINO also end2end.xml and .bin, and pictures of what PyTorch and the
exported file find on the image. The file describes itself: classes, normalisation, sizes,
thresholds. TensorRT engines are built on the machine that runs them; the command is printed.
"""
from __future__ import annotations

import argparse
import logging
import os
import warnings
from pathlib import Path

from mmengine.config import Config, DictAction

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.errors import UserError
from medseg.runtime.coco_results import SCORE_THR


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('deploy_cfg', help='deploy config, one of configs/deploy')
    parser.add_argument('model_cfg', help='config of the model')
    parser.add_argument('checkpoint', help='its checkpoint, plain or fused')
    parser.add_argument('img', type=Path, help='image to trace with')
    parser.add_argument('--test-img', type=Path, nargs='+', metavar='IMAGE',
                        help='images to compare on (default: the one to trace with)')
    parser.add_argument('--work-dir', type=Path, default=Path('.'),
                        help='folder of the files (default: the current one)')
    parser.add_argument('--calib-dataset-cfg', metavar='CONFIG', help='model config whose '
                        'data set calibrates TensorRT INT8 (not used by the other backends)')
    parser.add_argument('--calib-num', type=int, default=128, metavar='N',
                        help="images of the model config's training set that calibrate INT8 "
                        '(default: 128)')
    parser.add_argument('--device', default='cpu', help='such as cpu (default) or cuda:0')
    parser.add_argument('--log-level', default='ERROR', choices=list(logging._nameToLevel),
                        help='of MMDeploy and MMEngine (default: ERROR)')
    parser.add_argument('--show', action='store_true', help='also show the pictures in a window')
    parser.add_argument('--dump-info', action='store_true',
                        help="write the JSON files that MMDeploy's SDK reads")
    parser.add_argument('--score-thr', type=float, default=SCORE_THR,
                        help=f'lowest score in the pictures, 0 to 1 (default: {SCORE_THR})')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the model config, such as '
                        'model.test_cfg.score_thr=0.25')
    parser.add_argument('--deploy-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the deploy config, such as '
                        'onnx_config.input_shape=256,256 (width, height)')
    return parser.parse_args(argv)


def check_inputs(args: argparse.Namespace, deploy_cfg: Config) -> None:
    """Complain before the slow part.

    Raises:
        UserError: See the messages.
    """
    for file in [args.img, *(args.test_img or [])]:
        if not file.is_file():
            raise UserError(f'{file}: no such image')
    if args.work_dir.exists() and not args.work_dir.is_dir():
        raise UserError(f'--work-dir {args.work_dir}: is a file; name a folder')
    if not ({'onnx_config', 'codebase_config', 'backend_config'} <= set(deploy_cfg)):
        raise UserError(f'{args.deploy_cfg}: is no deploy config; those are in configs/deploy')
    if args.show and not os.environ.get('DISPLAY'):
        raise UserError('--show: there is no display here; the pictures are written to '
                        f'{args.work_dir} in any case')
    if args.dump_info and deploy_cfg.codebase_config.post_processing.get('raw', False):
        raise UserError("--dump-info: MMDeploy's SDK cannot read raw outputs; take a deploy config "
                        'without `raw` in its name')
    if args.dump_info and deploy_cfg.codebase_config.task == 'Segmentation':
        raise UserError("--dump-info: MMDeploy's SDK reads boxes, labels and masks; a semantic "
                        'model is read by medseg.runtime')


def quiet(level: str) -> None:
    """Set the level of MMDeploy's and MMEngine's loggers; tracing warns of every constant."""
    from mmdeploy.utils import get_root_logger
    from mmengine.logging import MMLogger
    get_root_logger().setLevel(level)
    MMLogger.get_current_instance().setLevel(level)
    if logging._nameToLevel[level] > logging.WARNING:
        warnings.filterwarnings('ignore')


def compare(args: argparse.Namespace, model_cfg: Config, file: Path) -> None:
    """Draw what both find on the test images, and print how far apart they are."""
    import cv2

    from medseg.data.pictures import draw_annotations, write_png
    from medseg.deploy.agreement import deployed_predictor, deviation, predict
    from medseg.engine.inference import Predictor
    backend = {'.onnx': 'onnxruntime', '.xml': 'openvino'}[file.suffix]
    reference = Predictor(model_cfg, args.checkpoint)
    predictors = {'pytorch': reference,
                  backend: deployed_predictor(reference, model_cfg, file)}
    images = args.test_img or [args.img]
    for path in images:
        image = cv2.imread(str(path))
        if image is None:
            raise UserError(f'{path}: OpenCV cannot decode this image')
        results = [predict(predictor, image) for predictor in predictors.values()]
        print(f'{path.name}: {backend} against PyTorch: {deviation(*results)}')
        for name, predictor in predictors.items():
            picture = draw_annotations(
                cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                predictor(image, args.score_thr), predictor.classes.name_of,
                colors=predictor.classes.colors)
            suffix = f'_{path.stem}' if len(images) > 1 else ''
            write_png(args.work_dir / f'output_{name}{suffix}.png', picture)
            if args.show:
                show(picture, f'{name}: {path.name}')


def show(picture, title: str) -> None:
    """Show an RGB picture until its window is closed."""
    from matplotlib import pyplot
    pyplot.figure(title)
    pyplot.imshow(picture)
    pyplot.axis('off')
    pyplot.show()


@reports_user_errors
def main(argv=None) -> int:
    """Export; returns the exit code."""
    args = parse_args(argv)
    compat.setup()
    deploy_cfg = load_config(args.deploy_cfg, args.deploy_options)
    model_cfg = load_config(args.model_cfg, args.cfg_options)
    check_inputs(args, deploy_cfg)
    quiet(args.log_level)
    from medseg.deploy import export, graph
    onnx_file = export.export_onnx(deploy_cfg, model_cfg, args.checkpoint, args.img,
                                   args.work_dir, args.device)
    file = export.backend_files(deploy_cfg, onnx_file)[0]
    settings = deploy_cfg.backend_config.get('quantization')
    if settings is not None:
        from medseg.deploy.quantize import quantize, training_images
        images = training_images(model_cfg, args.calib_num)
        file, layers = quantize(file, deploy_cfg.backend_config.type, images, **settings)
        print(f'INT8, calibrated with {len(images)} training images; in FP32: {", ".join(layers)}')
    print(f'wrote {file}')
    if args.dump_info:
        for info in export.dump_info(deploy_cfg, model_cfg, args.checkpoint, args.work_dir):
            print(f'wrote {info}')
    if deploy_cfg.backend_config.type == 'tensorrt':
        print(graph.tensorrt_report(onnx_file))
        print(f'build the engine where it will run: '
              f'{export.trtexec_command(deploy_cfg, onnx_file)}')
        if args.calib_dataset_cfg:
            print(f'INT8 calibration images: the training set of {args.calib_dataset_cfg}; '
                  'trtexec takes them as --calib=FILE')
    compare(args, model_cfg, file)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
