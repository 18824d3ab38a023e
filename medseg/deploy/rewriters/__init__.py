"""Forms of post-processing that can be exported; importing registers them with MMDeploy."""
from . import detector, pooling, prototype_head, standard_symbolics, yolact  # noqa: F401
