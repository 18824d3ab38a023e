"""Time training iterations of an Ultralytics model. Runs in Ultralytics' own environment.

Started by ``compare_train_speed.py``; prints the seconds of each iteration as a JSON list.
"""
import argparse
import json
import resource
import time


class Enough(Exception):
    """Raised to leave the trainer after the wanted number of iterations."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='yolov8n-seg.yaml')
    parser.add_argument('--data', required=True, help='data.yaml of the training set')
    parser.add_argument('--size', type=int, required=True)
    parser.add_argument('--batch', type=int, required=True)
    parser.add_argument('--workers', type=int, required=True)
    parser.add_argument('--iterations', type=int, required=True)
    parser.add_argument('--project', required=True, help='folder for what the trainer writes')
    args = parser.parse_args()

    from ultralytics import YOLO
    times = []
    last = [None]

    def on_batch_end(trainer) -> None:
        now = time.perf_counter()
        if last[0] is not None:
            times.append(now - last[0])
        last[0] = now
        if len(times) >= args.iterations:
            raise Enough

    model = YOLO(args.model)
    model.add_callback('on_train_batch_end', on_batch_end)
    try:
        model.train(data=args.data, imgsz=args.size, batch=args.batch, workers=args.workers,
                    epochs=30, device='cpu', optimizer='SGD', lr0=0.01, val=False, plots=False,
                    project=args.project, exist_ok=True, pretrained=False, amp=False,
                    verbose=False)
    except Enough:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20
    print(json.dumps(dict(seconds=times, peak_gib=peak)))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
