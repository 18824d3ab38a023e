"""Whether a network's inputs and outputs are those that the description of its file promises."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .session import Input, ModelError

#: Axes of each output by kind of export; ``c`` is the number of classes, letters of one name agree.
AXES = {'raw': dict(boxes='1n4', scores='1nc', coefficients='1nk', prototypes='1khw'),
        'end2end': dict(dets='1n5', labels='1n', masks='1nhw'),
        'semantic': dict(logits='1chw')}
#: Logit of a pixel where the network gives no number: in no class.
_NOWHERE = np.float32(-1e4)
_REMEDY = 'export the model again with tools/deploy.py'


def check_input(spec: Input, metadata: Mapping[str, Any], file: str) -> None:
    """Raise unless a graph's input is an image as the description has it.

    Raises:
        ModelError: See there.
    """
    static = metadata['input_size'] or (None, None)
    wanted = (1, 3, *static)
    fits = len(spec.shape) == 4 and all(
        side is None or want is None or side == want
        for side, want in zip(spec.shape, wanted, strict=True))
    if not fits or not np.issubdtype(spec.dtype, np.floating):
        raise ModelError(f'{file}: its input is {np.dtype(spec.dtype).name} {spec.shape}, but its '
                         f'description promises images of {wanted}; {_REMEDY}')


def check_outputs(outputs: Mapping[str, np.ndarray], metadata: Mapping[str, Any], file: str
                  ) -> Mapping[str, np.ndarray]:
    """Raise unless outputs have the shapes and labels that post-processing relies on.

    Args:
        outputs (Mapping[str, np.ndarray]): By name, of one image.
        metadata (Mapping): Description of the file.
        file (str): Name, for messages.

    Returns:
        Mapping[str, np.ndarray]: The same; where boxes are no numbers, with their scores at 0,
        and where logits are none, in no class.

    Raises:
        ModelError: See there.
    """
    kind, sides = metadata['kind'], {'c': len(metadata['classes'])}
    last = {'prototypes': '1hwk'} if metadata.get('prototypes_last') else {}
    for name, axes in {**AXES[kind], **last}.items():
        shape = outputs[name].shape
        if len(shape) != len(axes) or any(
                side != (int(axis) if axis.isdigit() else sides.setdefault(axis, side))
                for side, axis in zip(shape, axes, strict=True)):
            raise ModelError(f'{file}: its output "{name}" has the shape {shape}, which does not '
                             f'go with the others and {len(metadata["classes"])} classes; '
                             f'{_REMEDY}')
    if kind == 'semantic':
        numbers = np.isfinite(outputs['logits'])
        return outputs if numbers.all() else dict(
            outputs, logits=np.where(numbers, outputs['logits'], _NOWHERE))
    place, column = ('dets', 4) if kind == 'end2end' else ('boxes', None)
    numbers = np.isfinite(outputs[place]).all(-1)
    if not numbers.all():
        outputs = dict(outputs)
        target = 'dets' if column else 'scores'
        outputs[target] = np.where(numbers[..., None], outputs[target], 0)
    if kind == 'end2end':
        labels = outputs['labels'][outputs['dets'][..., 4] > 0]
        wrong = labels[(labels < 0) | (labels >= sides['c'])]
        if len(wrong):
            raise ModelError(f'{file}: the model gives the label {wrong[0]}, but its description '
                             f'names {sides["c"]} classes; {_REMEDY}')
    return outputs
