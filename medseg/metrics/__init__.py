"""Evaluation. Importing it registers the metrics where MMDetection is installed.

The figures themselves (``instance_scores``, ``precision_recall``, ``boundary``, ``surface``,
``bootstrap``) need no PyTorch.
"""
from importlib.util import find_spec

if find_spec('mmdet') is not None:
    from .instance_metric import InstanceMetric  # noqa: F401
    PELDMetric = InstanceMetric  #: its name in release 0.1
    from .semantic_metric import SemanticMetric  # noqa: F401
