"""One call from a frame to instances."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from medseg.data.palette import class_colors
from medseg.runtime.metadata import OUTPUTS, MetadataError, parse

from .labels import draw_labels
from .postprocess import Instances, Postprocessor
from .preprocess import Preprocessor
from .session import ModelError, open_session

#: Lowest score of an instance by default: what is worth showing. Evaluation goes down to 0.001
#: for the whole precision-recall curve, and pays for hundreds of masks nobody looks at.
SCORE_THR = 0.25
OPACITY = 0.4


class Segmenter:
    """An exported model, ready for one frame after another.

    Args:
        path (str | Path): What ``tools/deploy.py`` wrote: ``.onnx``, or ``.xml`` of OpenVINO. The
            description of an ``.xml`` may also lie beside it, as ``.json``.
        backend (str): ``onnxruntime``, ``openvino``, or ``auto`` for what is installed and reads
            the file.
        threads (int, optional): Threads of the backend; None lets it choose.
        score_thr (float, optional): Instances need a higher score, 0 to 1; :data:`SCORE_THR` by
            default. End-to-end exports have dropped those below the config's already.

    Attributes:
        class_names (list[str]): In the order of the labels.
        colors (list[tuple[int, int, int]]): RGB of each class.
        metadata (dict): All that the file says about itself.

    Raises:
        ModelError: The file is missing, damaged, no export of this project, or for a backend that
            is not installed.
    """

    def __init__(self, path: str | Path, backend: str = 'auto', threads: int | None = None,
                 score_thr: float | None = None) -> None:
        path = Path(path)
        score_thr = SCORE_THR if score_thr is None else score_thr
        if not 0 <= score_thr <= 1:
            raise ModelError(f'score_thr {score_thr}: must be between 0 and 1')
        self.session = open_session(path, backend, threads)
        text, source = self.session.description, path
        beside = path.with_suffix('.json')
        if text is None and path.suffix == '.xml' and beside.is_file():
            text, source = beside.read_text(encoding='utf-8'), beside
        try:
            self.metadata = parse(text, str(source))
        except MetadataError as error:
            raise ModelError(str(error)) from error
        missing = set(OUTPUTS[self.metadata['kind']]) - set(self.session.outputs)
        if missing or len(self.session.inputs) != 1:
            raise ModelError(
                f'{path}: is said to be a {self.metadata["kind"]} export but lacks the outputs '
                f'{sorted(missing)} or has several inputs; export it again with tools/deploy.py')
        self.class_names: list[str] = list(self.metadata['classes'])
        self.colors = [tuple(color) for color in self.metadata.get('colors')
                       or class_colors(self.class_names)]
        self.preprocess = Preprocessor(self.metadata)
        self.postprocess = Postprocessor(self.metadata, score_thr)
        self._input = self.session.inputs[0].name

    @property
    def score_thr(self) -> float:
        """Instances need a higher score; may be changed between frames."""
        return self.postprocess.score_thr

    @score_thr.setter
    def score_thr(self, value: float) -> None:
        self.postprocess.score_thr = value

    def __call__(self, image: np.ndarray) -> Instances:
        """Instances of a frame, at its own size.

        Args:
            image (np.ndarray): BGR, (H, W, 3) uint8, as ``cv2.imread`` gives it.

        Raises:
            ValueError: It is no such array, or does not fit a static input.
        """
        blob, geometry = self.preprocess(image)
        return self.postprocess(self.session.run({self._input: blob}), geometry)

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Instances]]:
        """(frame, instances), one after another; buffers stay while the frames' size does."""
        for frame in frames:
            yield frame, self(frame)

    def draw(self, image: np.ndarray, found: Instances, opacity: float = OPACITY,
             labels: bool = True) -> np.ndarray:
        """The frame with masks, outlines and class names over it.

        Args:
            image (np.ndarray): BGR, (H, W, 3) uint8.
            found (Instances): Of that image.
            opacity (float): Of the masks, 0 to 1.
            labels (bool): Write class and score.

        Returns:
            np.ndarray: BGR, (H, W, 3) uint8; the input stays as it is.
        """
        canvas = image.copy()
        thickness = max(1, round(min(image.shape[:2]) / 300))
        # Large ones first, so that small ones on them stay visible.
        for i in np.argsort(-found.masks.sum((1, 2)), kind='stable'):
            x1, y1, x2, y2 = _window(found.boxes[i], image.shape)
            mask = np.ascontiguousarray(found.masks[i, y1:y2, x1:x2]).view(np.uint8)
            if not mask.any():
                continue
            color = self.colors[found.labels[i]][::-1]
            region = canvas[y1:y2, x1:x2]
            tint = cv2.addWeighted(region, 1 - opacity, np.full_like(region, color), opacity, 0)
            cv2.copyTo(tint, mask, region)
            outline, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, outline, -1, color, thickness, offset=(x1, y1))
        if labels:
            draw_labels(canvas, [f'{self.class_names[label]} {score:.2f}' for label, score in
                                 zip(found.labels, found.scores, strict=True)], found.boxes)
        return canvas


def _window(box: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Whole pixels around a box, inside the image."""
    x1, y1 = np.floor(box[:2]).astype(int)
    x2, y2 = np.ceil(box[2:]).astype(int)
    return max(x1, 0), max(y1, 0), min(x2, shape[1]), min(y2, shape[0])
