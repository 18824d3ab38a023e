"""Families of optics and of anatomies that the plain set does not hold, to test generalisation.

A family changes what was drawn for a patient, so that a patient of a family differs from the plain
one of the same number and seed in this alone: same plan, same artefacts, and the same views, unless
one would now hide a structure that is planned; then the next view is drawn, as in the plain set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .anatomy import Structure
from .plan import CLASSES
from .style import PatientStyle

ADIPOSE, BONE, LIGAMENT, NERVE = CLASSES


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        text: What is different, for people.
        style: The camera and light of a patient, changed.
        sizes: By class, the factor of its structures' outlines about their middles.
        on_top: Class whose structures lie above all others.
    """

    text: str
    style: Callable[[PatientStyle], PatientStyle] = lambda style: style
    sizes: Mapping[str, float] = field(default_factory=dict)
    on_top: str | None = None

    def anatomy(self, structures: Sequence[Structure]) -> list[Structure]:
        """The structures of a patient, changed, back to front."""
        changed = []
        for item in structures:
            middle = item.outline.mean(0)
            outline = middle + (item.outline - middle) * self.sizes.get(item.label, 1.0)
            depth = item.depth + (10.0 if item.label == self.on_top else 0.0)
            changed.append(dataclasses.replace(item, outline=outline, depth=depth))
        return sorted(changed, key=lambda item: item.depth)


def _cold(style: PatientStyle) -> PatientStyle:
    blue, green, red = style.gains
    return dataclasses.replace(style, gains=(blue * 1.35, green * 1.05, red * 0.8),
                               saturation=style.saturation * 0.75)


def _narrow(style: PatientStyle) -> PatientStyle:
    return dataclasses.replace(style, field=style.field * 0.72, rim=style.rim * 2.5,
                               falloff=min(0.95, style.falloff * 1.5))


def _worn(style: PatientStyle) -> PatientStyle:
    return dataclasses.replace(style, blur=style.blur + 1.6, noise=style.noise * 2.5, sharpen=0.0,
                               gamma=style.gamma * 1.3, quality=60)


FAMILIES: dict[str, Family] = {
    'cold': Family('a cold light source: bluish, pale', _cold),
    'narrow': Family('a scope of a smaller field with a dark, soft rim', _narrow),
    'worn': Family('an old camera: soft, noisy, dark, strongly compressed', _worn),
    'stenosis': Family('a thickened ligament, a thin nerve, the lamina over everything',
                       sizes={LIGAMENT: 1.3, NERVE: 0.75}, on_top=BONE),
    'obese': Family('much fat, in front of all other structures',
                    sizes={ADIPOSE: 1.4, LIGAMENT: 0.85}, on_top=ADIPOSE),
}
#: What changes the picture, and what changes the shapes.
OPTICS = ('cold', 'narrow', 'worn')
ANATOMIES = ('stenosis', 'obese')


def family_of(patient: int, names: Sequence[str]) -> str | None:
    """Family of a patient: the names in turn; None without any.

    Args:
        patient: Number, from 1.
        names: Of :data:`FAMILIES`.
    """
    return names[(patient - 1) % len(names)] if names else None
