"""An exported file, opened and understood: what instance and semantic models share."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from .drawing import OPACITY, draw_instances
from .images import read_image
from .metadata import OUTPUTS, MetadataError, parse
from .outputs import check_input, check_outputs
from .palette import class_colors
from .postprocess import Instances
from .preprocess import Geometry, Preprocessor
from .session import ModelError, OnnxRuntimeSession, OpenVinoSession, open_session

Session = OnnxRuntimeSession | OpenVinoSession


class Postprocess(Protocol):
    """From the outputs of a network to what was found."""

    def __call__(self, outputs: Mapping[str, np.ndarray], geometry: Geometry) -> Instances:
        """All of it."""

    def begin(self, outputs: Mapping[str, np.ndarray], geometry: Geometry
              ) -> Callable[[], Instances]:
        """What needs the outputs at once; see :meth:`.postprocess.Postprocessor.begin`."""


def describe_session(path: Path, session: Session) -> dict:
    """What an opened file says about itself.

    Raises:
        ModelError: It says nothing that this release understands.
    """
    text, source = session.description, path
    beside = path.with_suffix('.json')
    if text is None and path.suffix == '.xml' and beside.is_file():
        try:
            text, source = beside.read_text(encoding='utf-8'), beside
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f'{beside}: cannot be read ({error})') from error
    try:
        metadata = parse(text, str(source))
    except MetadataError as error:
        raise ModelError(str(error)) from error
    missing = set(OUTPUTS[metadata['kind']]) - set(session.outputs)
    if missing or len(session.inputs) != 1:
        raise ModelError(
            f'{path}: is said to be a {metadata["kind"]} export but lacks the outputs '
            f'{sorted(missing)} or has several inputs; export it again with tools/deploy.py')
    check_input(session.inputs[0], metadata, str(path))
    return metadata


class ModelFile:
    """An exported model, ready for one frame after another.

    Args:
        path (str | Path): What ``tools/deploy.py`` wrote: ``.onnx``, or ``.xml`` of OpenVINO. The
            description of an ``.xml`` may also lie beside it, as ``.json``.
        backend (str): ``onnxruntime``, ``openvino``, or ``auto`` for what is installed and reads
            the file.
        threads (int, optional): Threads of the backend; None lets it choose.
        session (optional): The file, where it is open already.

    Attributes:
        class_names (list[str]): In the order of the labels.
        colors (list[tuple[int, int, int]]): RGB of each class.
        category_ids (list[int]): Id of each class in the annotation file that the model was
            trained on; 1, 2, ... where the file does not say.
        metadata (dict): All that the file says about itself.
        path (Path): The file.
        result_side (int, optional): Masks and boxes come at a size whose longer side this is,
            where images are larger: a stream needs no finer masks than the network makes, and
            they are cheaper. None, the default, for the image's own size.

    Raises:
        ModelError: The file is missing, damaged, no export of this project, of another kind of
            model, or for a backend that is not installed.
    """

    #: Kinds of export that the class reads; see :data:`medseg.runtime.metadata.OUTPUTS`.
    kinds: tuple[str, ...] = ()
    #: Whether it finds objects, one by one; else the area of each class.
    instances = True
    #: From the outputs and the frame's geometry to what was found.
    postprocess: Postprocess

    def __init__(self, path: str | Path, backend: str = 'auto', threads: int | None = None,
                 session: Session | None = None) -> None:
        path = Path(path)
        self.session = session or open_session(path, backend, threads)
        self.metadata = describe_session(path, self.session)
        if self.metadata['kind'] not in self.kinds:
            raise ModelError(f'{path}: is a {self.metadata["kind"]} export, {type(self).__name__} '
                             f'reads {" and ".join(self.kinds)}; open it with '
                             'medseg.runtime.open_model')
        self.path = path
        self.class_names: list[str] = list(self.metadata['classes'])
        self.colors = [tuple(color) for color in self.metadata.get('colors')
                       or class_colors(self.class_names)]
        self.category_ids = list(self.metadata.get('category_ids')
                                 or range(1, len(self.class_names) + 1))
        self.result_side: int | None = None
        self.preprocess = Preprocessor(self.metadata)
        self._input = self.session.inputs[0].name

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
        return self.begin(read_image(Path(image)) if isinstance(image, (str, Path)) else image)()

    def begin(self, image: np.ndarray) -> Callable[[], Instances]:
        """Run the network; returns what makes the instances of its outputs.

        That may be called in another thread, while the next frame is begun here.

        Args:
            image (np.ndarray): See :meth:`__call__`, which does both and has the errors.
        """
        blob, geometry = self.preprocess(image)
        if self.result_side is not None:
            geometry = geometry.seen_at(self.result_side)
        outputs = check_outputs(self.session.run({self._input: blob}), self.metadata,
                                str(self.path))
        rest = self.postprocess.begin(outputs, geometry)

        def finish() -> Instances:
            found = rest()
            found.image, found.class_names = image, self.class_names
            found.colors, found.category_ids = self.colors, self.category_ids
            return found

        return finish

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
