"""Export Ultralytics segmentation models to ONNX. Runs in Ultralytics' own environment.

The networks have random weights and the given number of classes, so that they are of the same
task as this project's; the files hold the raw outputs (boxes decoded, scores after the sigmoid,
coefficients, prototypes) without NMS. Ultralytics (AGPL) is a peer to measure against and no
dependency; its environment needs ultralytics, onnx and onnxslim.

example:
  peer-env/bin/python tools/peers/export_ultralytics_onnx.py --out peers \\
      yolov8n-seg yolo11n-seg yolo26n-seg
  python tools/benchmark_latency.py lmsfa-n.onnx peers/*.onnx
"""
import argparse
import os
import shutil
import tempfile
from pathlib import Path


def main() -> int:
    """Export each model; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', help='such as yolov8n-seg')
    parser.add_argument('--classes', type=int, default=4)
    parser.add_argument('--size', type=int, default=640)
    parser.add_argument('--opset', type=int, default=17)
    parser.add_argument('--out', type=Path, required=True, help='folder of the files')
    args = parser.parse_args()

    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SegmentationModel
    args.out.mkdir(parents=True, exist_ok=True)
    out = args.out.resolve()
    for name in args.models:
        torch.manual_seed(0)
        model = YOLO(f'{name}.yaml')
        settings, task = model.model.args, model.model.task
        model.model = SegmentationModel(f'{name}.yaml', ch=3, nc=args.classes, verbose=False)
        model.model.args, model.model.task = settings, task
        # Statistics of the network's own activations: random ones make numbers explode or vanish,
        # and arithmetic on such numbers is slower.
        model.model.train()
        with torch.no_grad():
            for _ in range(10):
                model.model(torch.rand(2, 3, 160, 160))
        # The exporter names its file after the weights; it must not fall into the current folder.
        with tempfile.TemporaryDirectory() as scratch:
            model.model.pt_path = model.ckpt_path = str(Path(scratch, f'{name}.pt'))
            here = Path.cwd()
            os.chdir(scratch)
            try:
                # YOLO26 would select the best 300 locations in the network: more than the others'
                # raw outputs, and in operations that OpenVINO 2025.4 refuses.
                made = model.export(format='onnx', imgsz=args.size, opset=args.opset, nms=False,
                                    end2end=False, device='cpu')
            finally:
                os.chdir(here)
            made = Path(scratch, made)
            part = out / f'.{name}.part'
            shutil.copyfile(made, part)
            part.replace(out / f'{name}.onnx')
        print(out / f'{name}.onnx')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
