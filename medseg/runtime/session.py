"""Opening a model file in ONNX Runtime or OpenVINO: one small interface for both."""
from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import UserError

from .metadata import KEY, OLD_KEY
from .onnx_check import check_external_files

BACKENDS = ('onnxruntime', 'openvino')
_ORT_TYPES = {'tensor(float)': np.float32, 'tensor(float16)': np.float16,
              'tensor(double)': np.float64, 'tensor(uint8)': np.uint8,
              'tensor(int32)': np.int32, 'tensor(int64)': np.int64, 'tensor(bool)': np.bool_}


class ModelError(UserError):
    """A model file cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Input:
    """An input of a graph; ``shape`` has None where a dimension is dynamic."""

    name: str
    shape: tuple[int | None, ...]
    dtype: type


class OnnxRuntimeSession:
    """An ONNX file in ONNX Runtime, on the CPU.

    Args:
        path (Path): The ``.onnx`` file.
        threads (int, optional): Threads an operator may use; None lets the library choose.
        optimise (bool): Rewrite the graph for speed, which takes a while.
    """

    def __init__(self, path: Path, threads: int | None = None, optimise: bool = True) -> None:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for the next frame by spinning take time from everybody else.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        # One operator for x * sigmoid(x) has no form for the convolutions' blocked layout, so each
        # activation would copy its map out of it and back: a tenth of the time of these networks.
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'],
            disabled_optimizers=['QuickGeluFusion'])
        self.inputs = [Input(i.name, tuple(d if isinstance(d, int) else None for d in i.shape),
                             _ORT_TYPES[i.type]) for i in self._session.get_inputs()]
        self.outputs = [o.name for o in self._session.get_outputs()]
        self.description = _described(self._session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))


class OpenVinoSession:
    """An ONNX or OpenVINO file in OpenVINO, on the CPU, in single precision.

    Args:
        path (Path): The ``.xml`` (its ``.bin`` beside it) or ``.onnx`` file.
        threads (int, optional): Threads; None lets the library choose.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import openvino
        core = openvino.Core()
        model = core.read_model(str(path))
        # Processors with bfloat16 would compute in it by default, with masks that differ.
        options = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
        if threads:
            options['INFERENCE_NUM_THREADS'] = threads
        self._tensor = openvino.Tensor
        self._request = core.compile_model(model, 'CPU', options).create_infer_request()
        self.inputs = [Input(i.get_any_name(), tuple(
            d.get_length() if d.is_static else None for d in i.get_partial_shape()),
            i.get_element_type().to_dtype().type) for i in model.inputs]
        self.outputs = [o.get_any_name() for o in model.outputs]
        self.description = _described({
            key: model.get_rt_info([key]).astype(str) for key in (KEY, OLD_KEY)
            if model.has_rt_info([key])}) or _onnx_description(path)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name; the arrays are valid until the next call."""
        for name, array in feeds.items():
            self._request.set_tensor(name, self._tensor(np.ascontiguousarray(array),
                                                        shared_memory=True))
        self._request.infer()
        return {name: self._request.get_output_tensor(i).data
                for i, name in enumerate(self.outputs)}


SESSIONS = {'onnxruntime': OnnxRuntimeSession, 'openvino': OpenVinoSession}


def installed_backends() -> list[str]:
    """Backends that can be imported here, in the order in which they are preferred."""
    return [name for name in BACKENDS if importlib.util.find_spec(name) is not None]


def backend_version(name: str) -> str:
    """Version of an installed backend, such as ``1.23.2``."""
    return importlib.metadata.version(name)


def pick_backend(path: Path, backend: str = 'auto') -> str:
    """The backend for a file.

    Args:
        path (Path): ``.onnx`` runs in both, ``.xml`` in OpenVINO alone.
        backend (str): ``onnxruntime``, ``openvino``, or ``auto`` for the first that is installed.

    Raises:
        ModelError: No installed backend reads that file.
    """
    if backend not in ('auto', *BACKENDS):
        raise ModelError(f"backend {backend!r}: is none of 'auto', {', '.join(BACKENDS)}")
    able = {'.onnx': BACKENDS, '.xml': ('openvino',)}.get(path.suffix.lower())
    if able is None:
        raise ModelError(f'{path}: is no model; give an .onnx file, or an .xml file of OpenVINO, '
                         'as tools/deploy.py writes them')
    if backend not in ('auto', *able):
        raise ModelError(f'{path}: {backend} cannot read {path.suffix} files; use {able[0]}')
    wanted = able if backend == 'auto' else (backend,)
    found = [name for name in wanted if name in installed_backends()]
    if not found:
        raise ModelError(f'{path}: {" or ".join(wanted)} is not installed; '
                         f'pip install {wanted[0]}')
    return found[0]


def open_session(path: str | Path, backend: str = 'auto', threads: int | None = None
                 ) -> OnnxRuntimeSession | OpenVinoSession:
    """Open any model file.

    Args:
        path (str | Path): ``.onnx`` or ``.xml``.
        backend (str): See :func:`pick_backend`.
        threads (int, optional): Threads of the backend, at least 1; None lets it choose.

    Raises:
        ModelError: The file is missing, damaged or for a backend that is not installed.
    """
    path = Path(path)
    if threads is not None and threads < 1:
        raise ModelError(f'threads {threads}: must be at least 1')
    name = pick_backend(path, backend)
    if not path.is_file():
        raise ModelError(f'{path}: no such file; make it with tools/deploy.py')
    if path.suffix == '.xml' and not path.with_suffix('.bin').is_file():
        raise ModelError(f'{path.with_suffix(".bin")}: no such file; OpenVINO keeps the weights '
                         f'there, beside {path.name}')
    try:
        trouble = check_external_files(path) if path.suffix.lower() == '.onnx' else None
        if trouble is not None:
            raise ModelError(f'{path}: refused, because it {trouble}; a model needs nothing but '
                             'its own folder. Get it from a source you trust')
        return SESSIONS[name](path, threads)
    except ModelError:
        raise
    except Exception as error:  # the libraries raise types of their own, and RuntimeError
        reason = ' '.join(str(error).split())[:600] or type(error).__name__
        raise ModelError(f'{path}: cannot be loaded, the file may be damaged; export it again '
                         f'({path.name}: {name} cannot load it: {reason})') from error


def _described(values: Mapping[str, str]) -> str | None:
    """The project's description among the metadata of a file."""
    return next((values[key] for key in (KEY, OLD_KEY) if key in values), None)


def _onnx_description(path: Path) -> str | None:
    """The description of an ONNX file that OpenVINO reads, which drops it; None for other files.

    Raises:
        ModelError: ONNX Runtime, which keeps it, is not installed.
    """
    if path.suffix.lower() != '.onnx':
        return None
    if importlib.util.find_spec('onnxruntime') is None:
        raise ModelError(f'{path}: OpenVINO does not pass on what an .onnx file says about itself; '
                         'give the .xml file, or pip install onnxruntime')
    return OnnxRuntimeSession(path, optimise=False).description
