"""C2f-Pro (Eq. 6-7): C2f with RVB-EMA units."""
from mmdet.registry import MODELS

from medseg.models.c2f import C2f


@MODELS.register_module()
class C2fPro(C2f):
    """C2f with RVB-EMA units (Eq. 6-7 of the LMSF-A paper, release wiring).

    Everything is C2f's but the default unit: a RepViT block whose attention is EMA.
    ``shortcut`` is ignored, since the unit has residuals of its own.
    """

    unit_takes_shortcut = False

    def __init__(self, *args, unit: dict = dict(type='RVBUnit'), **kwargs) -> None:  # noqa: B006
        super().__init__(*args, unit=unit, **kwargs)
