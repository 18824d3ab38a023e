"""One call from a frame to instances."""
from __future__ import annotations

from pathlib import Path

from .coco_results import SCORE_THR
from .model_file import ModelFile, Session
from .postprocess import Postprocessor
from .session import ModelError


class Segmenter(ModelFile):
    """An exported instance model, ready for one frame after another.

    Args:
        path (str | Path): What ``tools/deploy.py`` wrote: ``.onnx``, or ``.xml`` of OpenVINO. The
            description of an ``.xml`` may also lie beside it, as ``.json``.
        backend (str): ``onnxruntime``, ``openvino``, or ``auto`` for what is installed and reads
            the file.
        threads (int, optional): Threads of the backend; None lets it choose.
        score_thr (float, optional): Instances need a higher score, 0 to 1; :data:`SCORE_THR` by
            default. End-to-end exports have dropped those below the config's already.
        session (optional): The file, where it is open already.

    Attributes and errors are those of :class:`.ModelFile`.
    """

    kinds = ('raw', 'end2end')

    def __init__(self, path: str | Path, backend: str = 'auto', threads: int | None = None,
                 score_thr: float | None = None, session: Session | None = None) -> None:
        score_thr = SCORE_THR if score_thr is None else score_thr
        if not 0 <= score_thr <= 1:
            raise ModelError(f'score_thr {score_thr}: must be between 0 and 1')
        super().__init__(path, backend, threads, session)
        self.postprocess = Postprocessor(self.metadata, score_thr)

    @property
    def score_thr(self) -> float:
        """Instances need a higher score; may be changed between frames."""
        return self.postprocess.score_thr

    @score_thr.setter
    def score_thr(self, value: float) -> None:
        self.postprocess.score_thr = value
