"""Running exported files: one call from an image to arrays, whatever the backend."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from medseg.errors import UserError
from medseg.runtime.metadata import MetadataError, check_input, parse
from medseg.runtime.session import ModelError, open_session


class ExportedModel:
    """An exported file as a function of its one input, in the runtime's session.

    Args:
        file (Path): The ``.onnx`` file, or the ``.xml`` file of OpenVINO.
        threads (int): Threads of the backend; 0 lets it choose.

    Raises:
        ModelError: The file is missing, of another kind or damaged.
        MetadataError: It does not describe itself.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        self._session = open_session(file, threads=threads or None)
        self.file = file
        self.metadata = parse(self._session.description, str(file))

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, for an input (B, 3, H, W) float32; the caller may keep them.

        Raises:
            MetadataError: The network cannot take an input of that size.
        """
        check_input(*image.shape[2:], self.metadata, str(self.file))
        return {name: np.array(value)
                for name, value in self._session.run({'input': image}).items()}


def load(file: str | Path, threads: int = 0) -> tuple[ExportedModel, dict]:
    """Open an exported file with the backend that its ending names.

    Returns:
        tuple: The model and its metadata.

    Raises:
        UserError: The file is missing, of another kind, damaged or without metadata.
    """
    try:
        model = ExportedModel(Path(file), threads)
        return model, model.metadata
    except (ModelError, MetadataError) as error:
        raise UserError(str(error)) from error
