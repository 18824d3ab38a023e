"""Opening a file whose kind of model is not known before."""
from __future__ import annotations

from pathlib import Path

from .model_file import describe_session
from .segmenter import Segmenter
from .semantic import SemanticSegmenter
from .session import open_session


def open_model(path: str | Path, backend: str = 'auto', threads: int | None = None,
               score_thr: float | None = None, threshold: float | None = None
               ) -> Segmenter | SemanticSegmenter:
    """An instance or a semantic model, whichever the file says it is.

    Args:
        path, backend, threads: See :class:`.ModelFile`.
        score_thr (float, optional): Of an instance model, see :class:`.Segmenter`.
        threshold (float, optional): Of a semantic model, see :class:`.SemanticSegmenter`.

    Raises:
        ModelError: The file cannot be used.
    """
    path = Path(path)
    session = open_session(path, backend, threads)
    if describe_session(path, session)['kind'] in SemanticSegmenter.kinds:
        return SemanticSegmenter(path, threshold=threshold, session=session)
    return Segmenter(path, score_thr=score_thr, session=session)
