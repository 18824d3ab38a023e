"""What can be exported of a mask head; the modules that hold rewriters say so.

A project that brings a head with outputs of its own registers it beside its rewriters, in a module
that its deploy configs name in ``codebase_config.module``.
"""
from __future__ import annotations

from mmdet.registry import MODELS
from mmengine.config import Config

_raw_outputs: set[type] = set()
_prototype_masks: set[type] = set()


def register_head(kind: type, raw_outputs: bool = False, prototype_masks: bool = False) -> None:
    """Say what exports of a mask head and of its subclasses can do.

    Args:
        kind (type): The head.
        raw_outputs (bool): Boxes, scores, coefficients and prototypes as they are (``raw``).
        prototype_masks (bool): Masks are cut from prototypes as :class:`.PrototypeHead` does; see
            :func:`medseg.runtime.metadata.describe`.
    """
    for flag, kinds in ((raw_outputs, _raw_outputs), (prototype_masks, _prototype_masks)):
        if flag:
            kinds.add(kind)


def _is_one_of(model_cfg: Config, kinds: set[type]) -> bool:
    settings = model_cfg.model.get('mask_head')
    return bool(settings) and issubclass(MODELS.get(settings.type), tuple(kinds))


def has_raw_outputs(model_cfg: Config) -> bool:
    """Whether a raw export of the model was registered."""
    return _is_one_of(model_cfg, _raw_outputs)


def has_prototype_masks(model_cfg: Config) -> bool:
    """Whether the model's masks are cut from prototypes as this library's heads do it."""
    return _is_one_of(model_cfg, _prototype_masks)
