"""Importing this registers what training and testing on volumes need: data, metric, peers."""
from .datasets.monai_transforms import (  # noqa: F401
    MapLabelValues,
    MONAITransforms,
    PackVolume,
)
from .datasets.volume_dataset import VolumeDataset  # noqa: F401
from .monai_network import MONAINetwork  # noqa: F401
from .volume_data_preprocessor import VolumeDataPreprocessor  # noqa: F401
from .volume_metric import VolumeMetric  # noqa: F401
from .volume_segmentor import VolumeSegmentor  # noqa: F401
