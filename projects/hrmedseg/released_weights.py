"""The authors' distilled weights (``SAM_PFD_10K.pth``) in our names: encoder and neck."""
from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medseg.engine.checkpoint import CheckpointError

from .rotary import RotaryCode

#: Their names, as patterns, and ours; the first that fits is taken. The layers that they call
#: ``up_proj`` and ``down_proj`` are the narrow and the wide one: ours are named as they work.
_RULES = tuple((re.compile(f'^{theirs}$'), ours) for theirs, ours in (
    (r'image_encoder\.patch_embed\.proj\.(\w+)', r'backbone.patch_embed.\1'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv1\.c\.(\w+)',
     r'backbone.stages.0.\1.expand.conv.\2'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv2\.c\.(\w+)',
     r'backbone.stages.0.\1.depthwise.conv.\2'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv3\.c\.(\w+)',
     r'backbone.stages.0.\1.project.conv.\2'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv1\.bn\.(\w+)',
     r'backbone.stages.0.\1.expand.bn.\2'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv2\.bn\.(\w+)',
     r'backbone.stages.0.\1.depthwise.bn.\2'),
    (r'image_encoder\.layers\.0\.blocks\.(\d+)\.conv3\.bn\.(\w+)',
     r'backbone.stages.0.\1.project.bn.\2'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.(norm[12])\.(\w+)',
     r'backbone.stages.\1.\2.\3.\4'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.act_proj\.(\w+)',
     r'backbone.stages.\1.\2.attn.gate.\3'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.out_proj\.(\w+)',
     r'backbone.stages.\1.\2.attn.proj.\3'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.(qk|lepe)\.(\w+)',
     r'backbone.stages.\1.\2.attn.\3.\4'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.up_proj\.(\w+)',
     r'backbone.stages.\1.\2.attn.value_down.\3'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.down_proj\.(\w+)',
     r'backbone.stages.\1.\2.attn.value_up.\3'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc1\.(\w+)',
     r'backbone.stages.\1.\2.mlp.0.\3'),
    (r'image_encoder\.layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc2\.(\w+)',
     r'backbone.stages.\1.\2.mlp.2.\3'),
    (r'neck\.(\d)\.(\w+)', r'neck.layers.\1.\2'),
))
#: Their rotary tables, which we compute.
_TABLE = re.compile(r'^image_encoder\.layers\.\d+\.blocks\.\d+\.attn\.rope\.rotations$')


def our_name(name: str) -> str | None:
    """Our name of one of their tensors; None if it is not of encoder or neck."""
    for pattern, replacement in _RULES:
        if pattern.match(name):
            return pattern.sub(replacement, name)
    return None


def _check_table(table: Tensor, name: str, file: str) -> None:
    """Refuse weights whose rotary code is another than ours.

    Raises:
        CheckpointError: See there.
    """
    fits = table.dim() == 4 and table.shape[3] == 2
    if fits:
        height, width, pairs, _ = table.shape
        cos, sin = RotaryCode(2 * pairs)(height, width, table.device)
        ours = torch.stack([cos, sin], -1).reshape(table.shape)
        fits = torch.allclose(table.float(), ours, atol=1e-4)
    if not fits:
        raise CheckpointError(f'{file}: {name}, {tuple(table.shape)}, is another rotary code than '
                              "LGViT's; it is a modified network")


def convert(state: Mapping[str, Tensor], model: nn.Module, file: str) -> dict[str, Tensor]:
    """Weights of ``backbone`` and ``neck`` of an HRMedSeg.

    Args:
        state (Mapping[str, Tensor]): The authors' state dict, also of a model that was wrapped
            for several GPUs (``module.``).
        model (nn.Module): Ours, of the same width.
        file (str): The file, for messages.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape, or the rotary code is
            another.
    """
    wanted = {key: value for key, value in model.state_dict().items()
              if key.startswith(('backbone.', 'neck.'))}
    found, left_over, wrong = {}, [], []
    for name, value in state.items():
        name = name.removeprefix('module.')
        if _TABLE.match(name):
            _check_table(value, name, file)
            continue
        ours = our_name(name)
        if ours is None or ours not in wanted:
            left_over.append(name)
        elif value.shape != wanted[ours].shape:
            wrong.append(f'{name} {tuple(value.shape)} instead of {tuple(wanted[ours].shape)}')
        else:
            found[ours] = value.to(wanted[ours].dtype)
    missing = sorted(set(wanted) - set(found)) if not wrong else []
    for what, names in (('unfitting', wrong), ('missing', missing), ('left over', left_over)):
        if names:
            raise CheckpointError(f'{file}: {len(names)} tensors are {what}: '
                                  f'{", ".join(names[:3])}{", ..." if len(names) > 3 else ""}; '
                                  'is it the distilled encoder and neck, of this width?')
    return found
