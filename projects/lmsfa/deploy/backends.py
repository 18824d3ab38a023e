"""Running exported files: one call from arrays to arrays, whatever the backend."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from projects.lmsfa.utils.cli import UserError

from .metadata import KEY, MetadataError, parse


class OnnxRuntimeModel:
    """An ONNX file in ONNX Runtime on the CPU.

    Args:
        file (Path): The ``.onnx`` file.
        threads (int): Threads of an operator; 0 lets ONNX Runtime choose.

    Raises:
        RuntimeError: The file is damaged, or ONNX Runtime cannot run it.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
        try:
            self.session = onnxruntime.InferenceSession(
                str(file), options, providers=['CPUExecutionProvider'])
        except (errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument, errors.Fail,
                errors.NotImplemented) as error:  # ONNX Runtime's have no common base
            raise RuntimeError(str(error)) from error
        self.names = [output.name for output in self.session.get_outputs()]
        self.text = self.session.get_modelmeta().custom_metadata_map.get(KEY)

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, for an input (B, 3, H, W) float32."""
        return dict(zip(self.names, self.session.run(None, {'input': image}), strict=True))


class OpenVINOModel:
    """An OpenVINO ``.xml`` file, or an ONNX file, in OpenVINO on the CPU.

    Args:
        file (Path): The file.
        threads (int): Threads; 0 lets OpenVINO choose.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        import openvino
        # Full precision, as in the other backend; on some processors the default is bfloat16.
        options = {'INFERENCE_PRECISION_HINT': 'f32'}
        if threads:
            options['INFERENCE_NUM_THREADS'] = threads
        model = openvino.Core().read_model(str(file))
        self.text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
        self.compiled = openvino.Core().compile_model(model, 'CPU', options)
        self.names = [output.get_any_name() for output in self.compiled.outputs]

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, for an input (B, 3, H, W) float32."""
        found = self.compiled(image)
        return {name: found[i] for i, name in enumerate(self.names)}


RUNNERS = {'.onnx': OnnxRuntimeModel, '.xml': OpenVINOModel}


def load(file: str | Path, threads: int = 0) -> tuple[OnnxRuntimeModel | OpenVINOModel, dict]:
    """Open an exported file with the backend that its ending names.

    Returns:
        tuple: The model and its metadata.

    Raises:
        UserError: The file is missing, of another kind, damaged or without metadata.
    """
    file = Path(file)
    if file.suffix not in RUNNERS:
        raise UserError(f'{file}: not an exported model; expected the .onnx file or, of OpenVINO, '
                        'the .xml file that tools/deploy.py wrote')
    if not file.is_file():
        raise UserError(f'{file}: no such file; make it with tools/deploy.py')
    if file.suffix == '.xml' and not file.with_suffix('.bin').is_file():
        raise UserError(f'{file.with_suffix(".bin")}: no such file; OpenVINO keeps the weights '
                        f'there, beside {file.name}')
    try:
        model = RUNNERS[file.suffix](file, threads)
    except (RuntimeError, ValueError) as error:
        raise UserError(f'{file}: cannot be loaded, the file may be damaged; export it again: '
                        f'{str(error).strip().splitlines()[0][:200]}') from error
    try:
        return model, parse(model.text, str(file))
    except MetadataError as error:
        raise UserError(str(error)) from error
