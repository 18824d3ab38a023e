"""Export each model for each backend, run it, and write what works as a table.

    python tools/docs/deploy_matrix.py --markdown docs/deployment.md
    python tools/docs/deploy_matrix.py --size 128 --models LMSF-A-n YOLACT-R50

Every cell is a real run: export with the dynamic end-to-end config (and the raw one, for models
with prototypes), then one noise image through PyTorch and the backend. Weights are random, so the
table says what runs and how exactly, not how well. TensorRT needs a GPU and is not run: its column
says whether its published list of operators covers the graph.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import Progress

from medseg.cli import load_config, reports_user_errors
from medseg.engine import compat
from medseg.engine.building import build_model
from medseg.errors import UserError
from medseg.io import read_json, write_json
from medseg.tables import fill, markdown

NAME = 'deploy-matrix'
MODELS = {
    'LMSF-A-n': 'configs/lmsfa/lmsfa-n_1xb8-300e_peld.py',
    'LMSF-A-n, equation wiring': 'configs/lmsfa/lmsfa-eq-n_1xb8-300e_peld.py',
    'LMSF-A-n, Eq. 16 and 22': 'configs/lmsfa/losses/lmsfa-n_gc-edge_1xb8-300e_peld.py',
    'YOLOv8n-seg': 'configs/yolov8/yolov8n-seg_1xb8-300e_peld.py',
    'YOLO11n-seg': 'configs/yolo11/yolo11n-seg_1xb8-300e_peld.py',
    'YOLACT-R50': 'configs/yolact/yolact_r50_1xb8-300e_peld.py',
    'Mask R-CNN-R50': 'configs/mask_rcnn/mask-rcnn_r50_fpn_1xb8-300e_peld.py',
    'SOLOv2-R50': 'configs/solov2/solov2_r50_fpn_1xb8-300e_peld.py',
}
BACKENDS = {'onnxruntime': 'ONNX Runtime', 'openvino': 'OpenVINO'}


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--models', nargs='+', metavar='NAME', default=list(MODELS),
                        help=f'some of: {", ".join(MODELS)} (default: all)')
    parser.add_argument('--size', type=int, default=640, metavar='PIXELS',
                        help='side of the square image, a multiple of 32 (default: 640)')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='document to put the table '
                        f'into, between <!-- table: {NAME} --> and <!-- end of table -->')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the cells')
    args = parser.parse_args(argv)
    if args.size < 64 or args.size % 32:
        parser.error('--size: a multiple of 32, at least 64')
    unknown = [name for name in args.models if name not in MODELS]
    if unknown:
        parser.error(f'--models: {unknown[0]!r} is none of {", ".join(MODELS)}')
    return args


def noise_image(size: int) -> np.ndarray:
    """A BGR image with structure at several scales, (size, size, 3) uint8."""
    rng = np.random.default_rng(0)
    layers = [cv2.resize(rng.normal(size=(cells, cells, 3)), (size, size),
                         interpolation=cv2.INTER_CUBIC) for cells in (4, 16, 64)]
    return cv2.normalize(sum(layers), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def prepare(config_file: str, size: int, folder: Path) -> tuple[Config, Path, Path]:
    """Config for that size, checkpoint of random weights and image in ``folder``."""
    from medseg.deploy.agreement import normalise, randomise
    config = load_config(config_file)
    for step in config.test_dataloader.dataset.pipeline:
        if step['type'] == 'Resize':
            step['scale'] = (size, size)
    picture = noise_image(size)
    model = randomise(build_model(load_config(config_file)), normalise(picture, config))
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'random.pth')
    cv2.imwrite(str(folder / 'image.png'), picture)
    return config, folder / 'random.pth', folder / 'image.png'


def run_end2end(config: Config, checkpoint: Path, image: Path, backend: str, folder: Path) -> dict:
    """Export, run, compare; the deviations as a JSON-ready dict, or ``error``."""
    from medseg.deploy import agreement as compare
    from medseg.deploy import export, graph
    from medseg.engine.inference import Predictor
    deploy_cfg = load_config(f'configs/deploy/instance-seg_{backend}_dynamic.py')
    try:
        onnx_file = export.export_onnx(deploy_cfg, config, str(checkpoint), str(image), folder)
        file = export.backend_files(deploy_cfg, onnx_file)[0]
        predictor, picture = Predictor(config, str(checkpoint)), cv2.imread(str(image))
        deployed = compare.deployed_predictor(predictor, config, file)
        found = compare.deviation(compare.predict(predictor, picture),
                                  compare.predict(deployed, picture))
    except (RuntimeError, UserError) as error:  # what exporters and backends refuse
        return {'error': str(error).strip().splitlines()[0][:120]}
    return {**vars(found), 'tensorrt': graph.tensorrt_objections(onnx.load(onnx_file))}


def run_raw(config: Config, checkpoint: Path, image: Path, backend: str, folder: Path) -> float:
    """Largest deviation of the raw outputs of a batch of two."""
    from medseg.deploy import agreement as compare
    from medseg.deploy import backends, export
    from medseg.deploy.task import build_fused
    deploy_cfg = load_config(f'configs/deploy/instance-seg-raw_{backend}_dynamic.py')
    onnx_file = export.export_onnx(deploy_cfg, config, str(checkpoint), str(image), folder)
    run, _ = backends.load(export.backend_files(deploy_cfg, onnx_file)[0])
    single = compare.normalise(cv2.imread(str(image)), config)
    batch = torch.cat([single, single.flip(3)])
    expected = compare.raw_reference(build_fused(config, str(checkpoint)), batch)
    return max(compare.raw_deviation(expected, run(batch.numpy())).values())


def cell(result: dict) -> str:
    """Text of a cell."""
    if 'error' in result:
        return f'fails: {result["error"]}'
    text = (f'{result["matched"]} of {result["expected"]}, score {result["score"]:.0e}, '
            f'box {result["box"]:.0e} px, IoU {result["mask_iou"]:.4f}')
    return text if result.get('raw') is None else f'{text}; raw {result["raw"]:.0e}'


def table(results: dict[str, dict], args: argparse.Namespace) -> str:
    """Markdown of the matrix and the line about how it was made."""
    from medseg.deploy.graph import TENSORRT_FILE
    listed = read_json(TENSORRT_FILE)['tensorrt']
    lines = []
    for name, result in results.items():
        objections = next((found['tensorrt'] for found in result.values()
                           if 'tensorrt' in found), ['no graph'])
        lines.append([f'[{name}](../{MODELS[name]})', *(cell(result[b]) for b in BACKENDS),
                      'operators listed' if not objections else
                      f'not listed: {", ".join(objections)}'])
    import onnxruntime
    import openvino
    header = ['model', *BACKENDS.values(), f'TensorRT {listed} (not run)']
    versions = (f'torch {torch.__version__.split("+")[0]}, ONNX Runtime {onnxruntime.__version__}, '
                f'OpenVINO {openvino.__version__.split("-")[0]}')
    return (f'{markdown(header, lines, words=4)}\n\nMade {date.today()} by '
            f'`python tools/docs/deploy_matrix.py --size {args.size}`: {versions}, CPU.')


@reports_user_errors
def main(argv=None) -> int:
    """Run the matrix; returns 1 if a cell failed."""
    args = parse_args(argv)
    compat.setup()
    warnings.filterwarnings('ignore')
    MMLogger.get_current_instance().setLevel('ERROR')
    from mmdeploy.utils import get_root_logger

    from medseg.deploy.exportable_heads import has_prototype_masks
    get_root_logger().setLevel('ERROR')
    results: dict[str, dict] = {}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task('exporting', total=len(args.models) * len(BACKENDS))
        for name in args.models:
            results[name] = {}
            for backend in BACKENDS:
                progress.update(task, description=f'{name}, {backend}')
                with tempfile.TemporaryDirectory() as folder:
                    inputs = prepare(MODELS[name], args.size, Path(folder))
                    found = run_end2end(*inputs, backend, Path(folder) / 'end2end')
                    if 'error' not in found and has_prototype_masks(inputs[0]):
                        found['raw'] = run_raw(*inputs, backend, Path(folder) / 'raw')
                results[name][backend] = found
                progress.advance(task)
    text = table(results, args)
    print(text)
    if args.json:
        write_json(args.json, results)
    if args.markdown:
        fill(args.markdown, NAME, text)
    failed = [f'{name}: {backend}' for name, result in results.items()
              for backend, found in result.items() if 'error' in found]
    for line in failed:
        print(f'failed: {line}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    raise SystemExit(main())
