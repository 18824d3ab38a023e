"""The real head that SynBrain starts from: ICBM 2009a, as nilearn ships it."""
from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np

from medseg.errors import UserError

#: nilearn's files: T1 and the probabilities of grey and white matter, 197 x 233 x 189 at 1 mm.
FILES = {name: f'mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz'
         for name in ('t1', 'gm', 'wm')}


@cache
def load_template() -> tuple[np.ndarray, np.ndarray]:
    """The template's T1 and tissue maps.

    The data are the ICBM 2009a nonlinear symmetric average of 152 heads, skull-stripped (free to
    use with its copyright notice). Nothing of nilearn is imported: only its files are read.

    Returns:
        tuple[np.ndarray, np.ndarray]: float32 maps (4, X, Y, Z): T1 in [0, 1], and the shares of
        CSF, grey and white matter, which sum to 1 inside the brain and are 0 outside; and the
        4 x 4 affine from voxels to millimetres.

    Raises:
        UserError: nilearn is not installed, or ships no template.
    """
    spec = find_spec('nilearn')
    remedy = 'pip install --no-deps nilearn==0.14.1 (requirements/volumes-data.txt)'
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"SynBrain starts from the head that ships with nilearn: {remedy}")
    folder = Path(spec.submodule_search_locations[0]) / 'datasets' / 'data'
    maps, affine = {}, None
    for name, file in FILES.items():
        if not (folder / file).is_file():
            raise UserError(f'{folder / file}: this nilearn ships no such file; {remedy}')
        image = nibabel.load(folder / file)
        affine = image.affine
        maps[name] = np.asarray(image.dataobj, dtype=np.float32) / 255
    brain = maps['t1'] > 0
    grey, white = maps['gm'] * brain, maps['wm'] * brain
    fluid = np.clip(brain - grey - white, 0, 1)
    return np.stack([maps['t1'], fluid, grey, white]), affine
