"""Data: sets and transforms for MMDetection, converters, splits, the synthetic PELD.

Light on purpose: converters and generator need no torch. Configs name
``projects.lmsfa.datasets.peld`` and ``medseg.data.transforms`` in ``custom_imports``.
"""
