"""SynPELD: a synthetic stand-in for the PELD data set of spinal endoscopy.

Needs numpy and OpenCV only.
"""

from .generate import Summary, generate
from .plan import CLASSES, TABLE_I, TABLE_I_IMAGES, FramePlan, plan_patient, plan_totals
from .render import Instance, render_frame

__all__ = [
    'CLASSES', 'TABLE_I', 'TABLE_I_IMAGES', 'FramePlan', 'Instance', 'Summary', 'generate',
    'plan_patient', 'plan_totals', 'render_frame',
]
