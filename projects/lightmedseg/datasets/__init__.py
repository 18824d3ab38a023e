"""Volumes: the synthetic brain, lists of cases, the data set for training."""
