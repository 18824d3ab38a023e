"""HRMedSeg: semantic segmentation at high resolution in little memory (arXiv 2504.06205).

Importing this package imports nothing else; ``projects.hrmedseg.models`` registers the network.
"""
