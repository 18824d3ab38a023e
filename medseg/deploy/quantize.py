"""INT8 files from FP32 ones: NNCF for OpenVINO, ONNX Runtime's own tool for ONNX.

Both see the same calibration images and leave the same layers in FP32: the last convolution on the
way to each output and what follows it. Those predict box distances, scores and mask coefficients;
they are small, and a step of an eighth of a stride in a box or of 1 % in a score costs accuracy.
"""
from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from mmdet.registry import DATASETS
from mmengine.config import Config

from medseg.errors import UserError
from medseg.runtime import metadata
from medseg.runtime.preprocess import Preprocessor
from medseg.runtime.session import Input

from .export import unfinished

#: Operators whose weights are worth eight bits.
WEIGHTED = ('Conv', 'ConvTranspose', 'MatMul', 'Gemm')
#: Their names in OpenVINO.
WEIGHTED_OPENVINO = ('Convolution', 'GroupConvolution', 'ConvolutionBackpropData', 'MatMul')
#: What an image becomes for files without a description, such as those of peers.
PLAIN = dict(mean=[0.0] * 3, std=[255.0] * 3, to_rgb=True, pad_value=114 / 255, keep_ratio=True,
             size_divisor=32)


def training_images(model_cfg: Config, count: int) -> list[Path]:
    """Images of a config's training set, evenly spread over it.

    Args:
        model_cfg (Config): The model's config.
        count (int): How many, at most.

    Raises:
        UserError: The set cannot be read or is empty.
    """
    settings = model_cfg.train_dataloader.dataset
    while 'dataset' in settings:
        settings = settings['dataset']
    try:
        dataset = DATASETS.build(dict(settings, pipeline=[], filter_cfg=None))
    except FileNotFoundError as error:
        raise UserError(f'{error.filename}: no such file; calibration takes the training images of '
                        f'{model_cfg.filename}') from error
    if not len(dataset):
        raise UserError(f'{model_cfg.filename}: its training set holds no images to calibrate with')
    picked = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    return [Path(dataset.get_data_info(int(i))['img_path']) for i in picked]


def network_inputs(images: Sequence[Path], spec: Input, description: dict | None
                   ) -> Iterator[np.ndarray]:
    """Images as a file's input, one at a time.

    Args:
        images (Sequence[Path]): Image files.
        spec (Input): The file's input, (batch, 3, height, width); 640x640 where dynamic.
        description (dict, optional): The file's metadata; without it RGB in 0..1, resized to fit
            and padded with grey.

    Yields:
        np.ndarray: (1, 3, height, width) float32.

    Raises:
        UserError: A file is no image.
    """
    if description is None:
        size = [side or 640 for side in spec.shape[-2:]]
        description = dict(PLAIN, input_size=size, scale=size[::-1])
    prepare = Preprocessor(description)
    for path in images:
        image = cv2.imread(str(path))
        if image is None:
            raise UserError(f'{path}: OpenCV cannot decode this image')
        yield prepare(image)[0].copy()


def last_layers(starts: Sequence[str], parents: Callable[[str], Sequence[str]],
                weighted: Callable[[str], bool]) -> list[str]:
    """Nodes from the outputs back to the first that has weights, that one included.

    Args:
        starts (Sequence[str]): Nodes that make the outputs.
        parents (Callable): Nodes whose results a node reads.
        weighted (Callable): Whether a node is a convolution or a product with weights.

    Returns:
        list[str]: In the order found.
    """
    seen, queue = dict.fromkeys(starts), list(starts)
    while queue:
        node = queue.pop(0)
        if weighted(node):
            continue
        for parent in parents(node):
            if parent not in seen:
                seen[parent] = None
                queue.append(parent)
    return list(seen)


def onnx_layers(model: onnx.ModelProto, keep: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the nodes to leave in FP32, and those of them that have weights."""
    nodes = {node.name: node for node in model.graph.node}
    maker = {name: node.name for node in model.graph.node for name in node.output}
    fixed = {item.name for item in model.graph.initializer}

    def weighted(name: str) -> bool:
        node = nodes[name]
        # A product of two activations or with a constant of a few numbers has no layer's weights.
        return node.op_type in WEIGHTED and node.input[1] in fixed and node.op_type != 'MatMul'

    found = last_layers([maker[output.name] for output in model.graph.output],
                        lambda name: [maker[i] for i in nodes[name].input if i in maker], weighted)
    found += [name for name in nodes if name not in found and _named(name, keep)]
    return found, [name for name in found if weighted(name)]


def _named(name: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def quantize_onnx(file: Path, images: Sequence[Path], target: Path, keep: Sequence[str] = (),
                  activation: str = 'int8') -> list[str]:
    """Write an INT8 file (QDQ form, weights by channel) of an ONNX file.

    Args:
        file (Path): FP32, with a static input or one that takes 640x640.
        images (Sequence[Path]): Calibration images.
        target (Path): The file to write.
        keep (Sequence[str]): Regular expressions; nodes whose name one of them finds stay FP32.
        activation (str): ``int8``, symmetric, which TensorRT wants too, or ``uint8``, which ONNX
            Runtime is quicker with on x86.

    Returns:
        list[str]: Layers with weights that stayed FP32.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from medseg.runtime.session import open_session
    session = open_session(file, 'onnxruntime')
    spec, text = session.inputs[0], session.description
    feeds = network_inputs(images, spec, metadata.parse(text, str(file)) if text else None)

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict | None:
            feed = next(feeds, None)
            return None if feed is None else {spec.name: feed}

    with tempfile.TemporaryDirectory() as scratch, unfinished(target.parent) as part:
        plain = Path(scratch) / 'plain.onnx'
        quant_pre_process(str(file), str(plain), skip_symbolic_shape=True)
        model = onnx.load(plain)
        for i, node in enumerate(model.graph.node):
            node.name = node.name or f'{node.op_type}_{i}'
        onnx.save(model, plain)
        left, layers = onnx_layers(model, keep)
        quantize_static(
            str(plain), str(part / target.name), Reader(), quant_format=QuantFormat.QDQ,
            per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=left,
            activation_type=QuantType.QInt8 if activation == 'int8' else QuantType.QUInt8,
            extra_options=dict(ActivationSymmetric=activation == 'int8', WeightSymmetric=True))
        made = onnx.load(part / target.name)
        if text:
            onnx.helper.set_model_props(made, {metadata.KEY: text})
        onnx.save(made, part / target.name)
    return layers


def quantize_openvino(file: Path, images: Sequence[Path], target: Path, keep: Sequence[str] = (),
                      preset: str = 'mixed') -> list[str]:
    """Write an INT8 model of an OpenVINO model or an ONNX file, by NNCF.

    Args:
        file (Path): ``.xml`` or ``.onnx``, FP32.
        images (Sequence[Path]): Calibration images.
        target (Path): The ``.xml`` file to write.
        keep (Sequence[str]): Regular expressions; nodes whose name one of them finds stay FP32.
        preset (str): ``mixed`` (activations with a zero point, for SiLU) or ``performance``.

    Returns:
        list[str]: Layers with weights that stayed FP32.
    """
    try:
        import nncf
    except ImportError as error:
        raise UserError('nncf is not installed; INT8 for OpenVINO needs it: pip install nncf'
                        ) from error
    import openvino

    from medseg.runtime.session import open_session
    nncf.set_log_level(40)
    session = open_session(file, 'openvino')
    spec, text = session.inputs[0], session.description
    inputs = list(network_inputs(images, spec, metadata.parse(text, str(file)) if text else None))
    model = openvino.Core().read_model(str(file))
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}

    def weighted(name: str) -> bool:
        # Weights may lie behind a conversion or a reshape, but never come from the image.
        return (nodes[name].get_type_name() in WEIGHTED_OPENVINO[:3])

    def parents(name: str) -> list[str]:
        return [value.get_node().get_friendly_name() for value in nodes[name].input_values()]

    starts = [value.get_node().get_friendly_name() for result in model.get_results()
              for value in result.input_values()]
    left = last_layers(starts, parents, weighted)
    left += [name for name in nodes if name not in left and _named(name, keep)]
    left = [name for name in left if nodes[name].get_type_name() not in ('Constant', 'Parameter')]
    made = nncf.quantize(
        model, nncf.Dataset(inputs), preset=nncf.QuantizationPreset(preset),
        subset_size=len(inputs), ignored_scope=nncf.IgnoredScope(names=left, validate=False))
    if text:
        made.set_rt_info(text, [metadata.KEY])
    with unfinished(target.parent) as part:
        openvino.save_model(made, str(part / target.name), compress_to_fp16=False)
    return [name for name in left if weighted(name)]


QUANTIZERS = {'onnxruntime': (quantize_onnx, '.onnx'), 'openvino': (quantize_openvino, '.xml')}


def quantize(file: Path, backend: str, images: Sequence[Path], out_dir: Path | None = None,
             **settings) -> tuple[Path, list[str]]:
    """Write ``NAME_int8`` beside a file or into ``out_dir``.

    Args:
        file (Path): FP32.
        backend (str): ``onnxruntime`` or ``openvino``.
        images (Sequence[Path]): Calibration images.
        out_dir (Path, optional): Folder of the result.
        settings: See :func:`quantize_onnx` and :func:`quantize_openvino`.

    Returns:
        tuple[Path, list[str]]: The file, and the layers with weights that stayed FP32.

    Raises:
        UserError: No images, or no such backend.
    """
    if backend not in QUANTIZERS:
        raise UserError(f'{backend}: has no quantiser here; take one of {", ".join(QUANTIZERS)}')
    if not images:
        raise UserError(f'{file}: no calibration images')
    quantizer, ending = QUANTIZERS[backend]
    target = (out_dir or file.parent) / f'{file.stem}_int8{ending}'
    return target, quantizer(file, images, target, **settings)
