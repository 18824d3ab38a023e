"""Volumes: the synthetic brain, readers of the field's folders, the data set for training."""
