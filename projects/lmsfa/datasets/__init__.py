"""Data: sets and transforms for MMDetection, converters, splits, the synthetic PELD.

Light on purpose: converters and generator need no torch. Configs name
``projects.lmsfa.datasets.peld`` and ``projects.lmsfa.datasets.transforms`` in ``custom_imports``.
"""
