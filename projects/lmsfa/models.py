"""Importing this module registers every part of LMSF-A, and the baselines it is compared with."""
import medseg.models  # noqa: F401
import projects.baselines  # noqa: F401

from . import attention, backbone, equations, heads, losses, neck, units  # noqa: F401
from .auxiliary_segmentor import AuxiliarySegmentor  # noqa: F401
