"""Forms of post-processing that can be exported; importing registers them with MMDeploy."""
from . import (  # noqa: F401
    detector,
    pooling,
    prototype_head,
    semantic_segmentor,
    solov2,
    standard_symbolics,
    two_stage,
    yolact,
)
