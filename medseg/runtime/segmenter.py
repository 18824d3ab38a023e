"""One call from a frame to instances."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .coco_results import SCORE_THR
from .drawing import OPACITY, draw_instances
from .images import read_image
from .metadata import OUTPUTS, MetadataError, parse
from .outputs import check_input, check_outputs
from .palette import class_colors
from .postprocess import Instances, Postprocessor
from .preprocess import Preprocessor
from .session import ModelError, open_session


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
        category_ids (list[int]): Id of each class in the annotation file that the model was
            trained on; 1, 2, ... where the file does not say.
        metadata (dict): All that the file says about itself.
        path (Path): The file.

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
            try:
                text, source = beside.read_text(encoding='utf-8'), beside
            except (OSError, UnicodeDecodeError) as error:
                raise ModelError(f'{beside}: cannot be read ({error})') from error
        try:
            self.metadata = parse(text, str(source))
        except MetadataError as error:
            raise ModelError(str(error)) from error
        missing = set(OUTPUTS[self.metadata['kind']]) - set(self.session.outputs)
        if missing or len(self.session.inputs) != 1:
            raise ModelError(
                f'{path}: is said to be a {self.metadata["kind"]} export but lacks the outputs '
                f'{sorted(missing)} or has several inputs; export it again with tools/deploy.py')
        check_input(self.session.inputs[0], self.metadata, str(path))
        self.path = path
        self.class_names: list[str] = list(self.metadata['classes'])
        self.colors = [tuple(color) for color in self.metadata.get('colors')
                       or class_colors(self.class_names)]
        self.category_ids = list(self.metadata.get('category_ids')
                                 or range(1, len(self.class_names) + 1))
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

    @property
    def resizable(self) -> bool:
        """Whether the network takes inputs of several sizes."""
        return self.metadata['input_size'] is None and None in self.session.inputs[0].shape[2:]

    @property
    def input_scale(self) -> float:
        """Sides of the input, as a part of the model's own; smaller is faster and coarser.

        May be changed between frames where the model is ``resizable``.
        """
        return self.preprocess.reduction

    @input_scale.setter
    def input_scale(self, value: float) -> None:
        if not self.resizable and value != 1:
            raise ModelError(f'input_scale {value}: the model has one input size; export it with '
                             'a dynamic configuration')
        if not 0.1 <= value <= 1:
            raise ModelError(f'input_scale {value}: must be between 0.1 and 1')
        self.preprocess.reduction = value

    def __call__(self, image: np.ndarray | str | Path) -> Instances:
        """Instances of a frame, at its own size.

        Args:
            image (np.ndarray | str | Path): BGR, (H, W, 3) uint8, as ``cv2.imread`` gives it, or
                the path of an image file.

        Raises:
            ImageError: The file cannot be read.
            ValueError: The array is no such image, or does not fit a static input.
        """
        if isinstance(image, (str, Path)):
            image = read_image(Path(image))
        blob, geometry = self.preprocess(image)
        outputs = check_outputs(self.session.run({self._input: blob}), self.metadata,
                                str(self.path))
        found = self.postprocess(outputs, geometry)
        found.image, found.class_names = image, self.class_names
        found.colors, found.category_ids = self.colors, self.category_ids
        return found

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
        return draw_instances(image, found, self.class_names, self.colors, opacity, labels)
