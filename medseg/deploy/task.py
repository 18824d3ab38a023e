"""MMDeploy's task processor for this project's instance segmentation models."""
from __future__ import annotations

from mmdeploy.codebase.mmdet.deploy.object_detection import MMDET_TASK, ObjectDetection
from mmdeploy.utils import Task, get_input_shape
from mmdet.registry import MODELS
from torch import nn

from medseg.engine.checkpoint import is_fused, restore
from medseg.engine.fuse import fuse_model


def build_fused(config, checkpoint_file: str | None, device: str = 'cpu') -> nn.Module:
    """The inference form of a trained model.

    Args:
        config (Config): The model's config.
        checkpoint_file (str, optional): Plain or fused checkpoint; None keeps random weights.
        device (str): Such as ``cpu`` or ``cuda:0``.

    Returns:
        nn.Module: In eval mode, branches and BatchNorms merged.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit the config.
    """
    settings = config.model.copy()
    for part in ('pretrained', 'init_cfg'):
        settings.pop(part, None)
    if settings.get('backbone', {}).get('init_cfg'):
        settings.backbone.init_cfg = None  # no download: the checkpoint has the weights
    model, fused = MODELS.build(settings), False
    if checkpoint_file is not None:
        fused = is_fused(restore(model, checkpoint_file))
    elif hasattr(model, 'init_weights'):
        model.init_weights()
    return (model if fused else fuse_model(model)).to(device).eval()


@MMDET_TASK.register_module(Task.INSTANCE_SEGMENTATION.value)
class InstanceSegmentation(ObjectDetection):
    """MMDeploy's detection task with three differences.

    Checkpoints are loaded strictly and without running code; the model is fused before it is
    exported; MMDeploy's SDK is told to keep the aspect ratio and pad with the model's value, as
    the test pipeline does. Deploy configs name it: ``codebase_config=dict(type='mmdet',
    task='InstanceSegmentation', module=['medseg.deploy.task', ...])``.
    """

    def build_pytorch_model(self, model_checkpoint: str | None = None,
                            cfg_options: dict | None = None, **kwargs) -> nn.Module:
        """See :func:`build_fused`."""
        return build_fused(self.model_cfg, model_checkpoint, self.device)

    def get_preprocess(self, *args, **kwargs) -> list[dict]:
        """Transforms for ``pipeline.json``; MMDeploy's would stretch and pad with zeros."""
        preprocessor = self.model_cfg.model.data_preprocessor
        size = get_input_shape(self.deploy_cfg)
        # Read first: MMDeploy changes the pipeline in place.
        keep_ratio = next(step.get('keep_ratio', False) for step in self.model_cfg.test_pipeline
                          if step['type'].split('.')[-1] == 'Resize')
        steps = super().get_preprocess(*args, **kwargs)
        for step in steps:
            if step['type'] == 'Resize':
                step['keep_ratio'] = keep_ratio
            elif step['type'] == 'Pad':
                step['pad_val'] = preprocessor.get('pad_value', 0)
                if size:
                    step.pop('size_divisor')
                    step['size'] = list(size)
        return steps


@MMDET_TASK.register_module(Task.SEGMENTATION.value)
class SemanticSegmentation(InstanceSegmentation):
    """Builds, traces and describes semantic models; ``task='Segmentation'`` of deploy configs."""
