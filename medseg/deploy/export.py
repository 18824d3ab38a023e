"""From a config and a checkpoint to files of a backend."""
from __future__ import annotations

import copy
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from mmdeploy.apis import torch2onnx
from mmdeploy.backend.sdk.export_info import export2SDK
from mmdeploy.utils import get_backend, get_input_shape, is_dynamic_shape
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import import_modules_from_strings

from medseg.configs import prediction_pipeline
from medseg.engine.inference import class_info
from medseg.errors import UserError
from medseg.models.semantic_segmentor import SemanticSegmentor
from medseg.runtime import metadata

from . import graph
from . import mmdeploy_compat as compat
from .exportable_heads import has_prototype_masks, has_raw_outputs

#: Width and height at which training-only weights are looked for where no size is given.
TRACE_SIZE = (128, 128)


def prepare(model_cfg: Config) -> Config:
    """A copy of a model config in the form that MMDeploy reads.

    MMDeploy takes ``test_pipeline`` of the top level, which need not be what the test data set
    has, and fails at transforms that want annotations.
    """
    config = copy.deepcopy(model_cfg)  # MMDeploy changes it in place
    config.test_pipeline = prediction_pipeline(config)
    return config


def describe(deploy_cfg: Config, model_cfg: Config, checkpoint_file: str | None) -> dict:
    """The metadata of an export.

    Raises:
        UserError: The classes are unknown, or the config lacks something.
    """
    checkpoint = {} if checkpoint_file is None else CheckpointLoader.load_checkpoint(
        str(checkpoint_file), map_location='cpu', logger='silent')
    classes = class_info(model_cfg, checkpoint)
    params = deploy_cfg.codebase_config.post_processing
    raw = params.get('raw', False)
    shape = get_input_shape(deploy_cfg)
    try:
        return metadata.describe(
            'semantic' if is_semantic(deploy_cfg) else 'raw' if raw else 'end2end',
            model_cfg.model, model_cfg.test_pipeline, classes.names,
            classes.colors, shape[::-1] if shape else None,
            prototype_masks=has_prototype_masks(model_cfg), category_ids=classes.category_ids,
            prototypes_last=params.get('prototypes_last', False))
    except metadata.MetadataError as error:
        raise UserError(f'{model_cfg.filename}: {error}') from error


def is_semantic(deploy_cfg: Config) -> bool:
    """Whether a deploy config is for semantic models."""
    return deploy_cfg.codebase_config.task == 'Segmentation'


def check_task(deploy_cfg: Config, model_cfg: Config) -> None:
    """Refuse an instance model with a semantic deploy config, and the other way round.

    Raises:
        UserError: They do not fit.
    """
    semantic = issubclass(MODELS.get(model_cfg.model.type), SemanticSegmentor)
    if semantic != is_semantic(deploy_cfg):
        kind, prefix = ('a semantic', 'semantic-seg_') if semantic else ('an instance',
                                                                         'instance-seg_')
        raise UserError(f'{model_cfg.filename}: is {kind} model; take a deploy config whose name '
                        f'starts with {prefix}')


def _for_tracing(deploy_cfg: Config) -> Config:
    """The deploy config with ONNX Runtime as backend.

    MMDeploy's rewriters for TensorRT and OpenVINO write operators of its own domains, which need
    its compiled plug-ins. Those for ONNX Runtime write standard ones, and all backends read them.
    """
    config = copy.deepcopy(deploy_cfg)
    config.backend_config = dict(type='onnxruntime')
    return config


def _prototypes_last(deploy_cfg: Config) -> Config:
    """The deploy config whose names of dynamic axes follow ``post_processing.prototypes_last``.

    Raises:
        UserError: The export is not raw, so that prototypes do not come out.
    """
    params = deploy_cfg.codebase_config.post_processing
    if not params.get('prototypes_last', False):
        return deploy_cfg
    if not params.get('raw', False):
        raise UserError('prototypes_last: is for raw exports; take a deploy config with `raw` in '
                        'its name')
    config = copy.deepcopy(deploy_cfg)
    if config.onnx_config.get('dynamic_axes'):
        config.onnx_config.dynamic_axes['prototypes'] = {
            0: 'batch', 1: 'prototype_height', 2: 'prototype_width'}
    return config


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A hidden folder inside ``folder`` whose files move up at the end, or vanish on an error."""
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix='.unfinished-', dir=folder))
    try:
        yield part
        for file in part.iterdir():
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def export_onnx(deploy_cfg: Config, model_cfg: Config, checkpoint_file: str | None,
                image: str, out_dir: Path, device: str = 'cpu') -> Path:
    """Fuse, export through MMDeploy's ``torch2onnx``, check the graph, add the metadata.

    Args:
        deploy_cfg (Config): One of ``configs/deploy``.
        model_cfg (Config): The model's config.
        checkpoint_file (str, optional): Plain or fused; None exports random weights.
        image (str): Image file to trace with.
        out_dir (Path): Folder of the file.
        device (str): Such as ``cpu`` or ``cuda:0``.

    Returns:
        Path: The ONNX file.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit.
        UserError: The configs do not fit together, or the graph holds what it must not.
    """
    compat.setup()
    deploy_cfg = _prototypes_last(deploy_cfg)
    import_modules_from_strings(list(deploy_cfg.codebase_config.get('module', [])))
    init_default_scope(model_cfg.get('default_scope', 'mmdet'))
    model_cfg = prepare(model_cfg)
    check_task(deploy_cfg, model_cfg)
    if (deploy_cfg.codebase_config.post_processing.get('raw', False)
            and not has_raw_outputs(model_cfg)):
        raise UserError(f'{model_cfg.filename}: has no prototypes, so there is no raw export of '
                        'it; take a deploy config without `raw` in its name')
    description = describe(deploy_cfg, model_cfg, checkpoint_file)
    target = Path(out_dir) / deploy_cfg.onnx_config.save_file
    with unfinished(Path(out_dir)) as part:
        with compat.tracing_exporter(), torch.no_grad():
            torch2onnx(str(image), str(part), target.name, _for_tracing(deploy_cfg), model_cfg,
                       checkpoint_file, device)
        model = onnx.load(part / target.name)
        graph.drop_identities(model)
        graph.check_standard(model)
        size = get_input_shape(deploy_cfg) or TRACE_SIZE
        graph.check_training_only(model, graph.training_only(copy.deepcopy(model_cfg), *size[::-1]))
        onnx.helper.set_model_props(model, {metadata.KEY: json.dumps(description)})
        onnx.checker.check_model(model)
        onnx.save(model, part / target.name)
    return target


def to_openvino(onnx_file: Path, compress_to_fp16: bool = False) -> Path:
    """Convert an ONNX file with ``openvino.convert_model``.

    MMDeploy 1.3.1 calls the ``mo`` command, which OpenVINO no longer ships.

    Args:
        onnx_file (Path): What :func:`export_onnx` wrote.
        compress_to_fp16 (bool): Halve the file; weights are rounded.

    Returns:
        Path: The ``.xml`` file; the weights lie beside it in a ``.bin`` file.
    """
    import openvino
    # With torch imported, it first tries the file as a torch.export archive and logs the failure.
    logging.getLogger('torch.export').setLevel(logging.CRITICAL)
    model = openvino.convert_model(str(onnx_file))
    found = {item.key: item.value for item in
             onnx.load(onnx_file, load_external_data=False).metadata_props}
    model.set_rt_info(found[metadata.KEY], [metadata.KEY])
    with unfinished(onnx_file.parent) as part:
        openvino.save_model(model, str(part / f'{onnx_file.stem}.xml'),
                            compress_to_fp16=compress_to_fp16)
    return onnx_file.with_suffix('.xml')


def backend_files(deploy_cfg: Config, onnx_file: Path) -> list[Path]:
    """Files of the backend, made from the ONNX file; the first is the one to load."""
    if get_backend(deploy_cfg).value == 'openvino':
        return [to_openvino(onnx_file, deploy_cfg.backend_config.get('compress_to_fp16', False))]
    return [onnx_file]


def dump_info(deploy_cfg: Config, model_cfg: Config, checkpoint_file: str, out_dir: Path
              ) -> list[Path]:
    """Write ``deploy.json``, ``pipeline.json`` and ``detail.json`` for MMDeploy's SDK.

    Returns:
        list[Path]: The files.

    Raises:
        UserError: The export is raw; the SDK wants boxes, labels and masks.
    """
    if deploy_cfg.codebase_config.post_processing.get('raw', False):
        raise UserError("--dump-info: MMDeploy's SDK cannot read raw outputs; take a config "
                        'without `raw` in its name')
    compat.setup()
    # The device is only checked against the backend.
    device = 'cuda:0' if get_backend(deploy_cfg).value == 'tensorrt' else 'cpu'
    with unfinished(Path(out_dir)) as part:
        export2SDK(copy.deepcopy(deploy_cfg), prepare(model_cfg), str(part),
                   pth=str(checkpoint_file), device=device)
        names = sorted(file.name for file in part.iterdir())
    return [Path(out_dir) / name for name in names]


def trtexec_command(deploy_cfg: Config, onnx_file: Path) -> str:
    """The command that builds a TensorRT engine from an ONNX file, on a machine with TensorRT."""
    settings = deploy_cfg.backend_config
    flags = ['--fp16'] if settings.common_config.get('fp16_mode') else []
    flags += ['--int8'] if settings.common_config.get('int8_mode') else []
    if is_dynamic_shape(deploy_cfg):
        shapes = settings.model_inputs[0]['input_shapes']['input']
        flags += [f'--{kind}Shapes=input:{"x".join(map(str, shapes[f"{kind}_shape"]))}'
                  for kind in ('min', 'opt', 'max')]
    return ' '.join(['trtexec', f'--onnx={onnx_file}', *flags,
                     f'--saveEngine={onnx_file.with_suffix(".engine")}'])
