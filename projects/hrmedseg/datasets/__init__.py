"""Data sets of HRMedSeg's own comparisons."""
