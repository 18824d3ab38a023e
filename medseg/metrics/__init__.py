"""Evaluation. Importing it registers the metrics where MMDetection is installed.

The figures themselves (``instance_scores``, ``precision_recall``, ``boundary``, ``surface``,
``bootstrap``) need no PyTorch.
"""
from importlib.util import find_spec

if find_spec('mmdet') is not None:
    from .peld_metric import PELDMetric  # noqa: F401
    from .semantic_metric import SemanticMetric  # noqa: F401
