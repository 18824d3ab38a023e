"""A config with test-time augmentation."""
from __future__ import annotations

from mmengine.config import Config, ConfigDict

from medseg.configs import datasets, pipelines, prediction_pipeline
from medseg.errors import UserError

#: Sizes of the views, as factors of the size that is tested at; the first view is the plain image.
SCALES = (1.0, 0.8, 1.25)
_META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip',
              'flip_direction')


def enable_tta(config: Config) -> None:
    """Wrap the model and replace the test pipeline, in place.

    ``tta_model`` and ``tta_pipeline`` of the config are taken where it has them. Otherwise
    :class:`~medseg.models.instance_tta.InstanceTTAModel` merges views at :data:`SCALES`, each as it
    is and mirrored; mirrored only where training mirrors too, because a mirrored tooth, for one,
    has another number.

    Raises:
        UserError: The test pipeline has no single ``Resize`` with a scale.
    """
    if 'tta_model' not in config:
        settings = config.model.get('test_cfg') or {}
        most = (settings.get('rcnn') or settings).get('max_per_img', 100)
        config.tta_model = dict(type='InstanceTTAModel', tta_cfg=dict(max_per_img=most))
    if 'tta_pipeline' not in config:
        config.tta_pipeline = _pipeline(config)
    config.model = ConfigDict(**config.tta_model, module=config.model)
    for dataset in datasets(config, 'test_dataloader'):
        dataset.pipeline = config.tta_pipeline


def _pipeline(config: Config) -> list[dict]:
    """The test pipeline with several views behind loading."""
    steps = prediction_pipeline(config)
    sized = [i for i, step in enumerate(steps) if _is(step, 'Resize') and step.get('scale')]
    if len(sized) != 1:
        raise UserError(f'{config.filename}: the test pipeline needs one Resize with a scale, '
                        f'found {len(sized)}; write `tta_pipeline` into the config')
    resize = steps[sized[0]]
    mirrored = any(_is(step, 'RandomFlip') for pipeline in pipelines(config, 'train_dataloader')
                   for step in pipeline)
    views = [
        [dict(resize, scale=tuple(round(side * factor) for side in resize['scale']))
         for factor in SCALES],
        [dict(type='RandomFlip', prob=prob) for prob in ((0.0, 1.0) if mirrored else (0.0,))],
        *([dict(step, meta_keys=_META_KEYS) if _is(step, 'PackDetInputs') else step]
          for step in steps[sized[0] + 1:])]
    return [*steps[:sized[0]], dict(type='TestTimeAug', transforms=views)]


def _is(step: dict, kind: str) -> bool:
    """Whether a transform is of that type, in whatever scope."""
    return step['type'].split('.')[-1] == kind
