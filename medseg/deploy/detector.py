"""An exported model in the place of a detector, for mmengine's runner."""
from __future__ import annotations

import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.model import BaseModel
from torch import Tensor

from medseg.runtime.metadata import MetadataError, padded_size

from . import backends
from .results import instances


@MODELS.register_module()
class DeployedDetector(BaseModel):
    """Runs a file of ``tools/deploy.py`` on what the data preprocessor gives.

    Args:
        file (str): The ``.onnx`` or ``.xml`` file.
        data_preprocessor (dict): That of the PyTorch model.
        threads (int): Threads of the backend; 0 lets it choose.
    """

    def __init__(self, file: str, data_preprocessor: dict, threads: int = 0) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.run, self.metadata = backends.load(file, threads)

    def forward(self, inputs: Tensor, data_samples: SampleList, mode: str = 'predict'
                ) -> SampleList:
        """Instances of each image, at its original size.

        Args:
            inputs (Tensor): (B, 3, H, W), normalised.
            data_samples (list[DetDataSample]): Their meta information.
            mode (str): ``predict`` alone.

        Returns:
            list[DetDataSample]: With ``pred_instances``.

        Raises:
            MetadataError: An image is larger than a static input.
        """
        if mode != 'predict':
            raise ValueError(f"mode {mode!r}: an exported model can only 'predict'")
        inputs = self._fit(inputs, data_samples)
        outputs = self._run_batch(inputs)
        for i, sample in enumerate(data_samples):
            sample.pred_instances = instances(outputs, i, sample.metainfo, self.metadata,
                                              inputs.shape[-2:])
        return data_samples

    def _fit(self, inputs: Tensor, data_samples: SampleList) -> Tensor:
        """Cut or pad to a static input; a dynamic one takes what the preprocessor gave."""
        if self.metadata['input_size'] is None:
            return inputs
        shapes = [sample.metainfo['img_shape'][:2] for sample in data_samples]
        height, width = (max(shape[i] for shape in shapes) for i in (0, 1))
        try:
            target = padded_size(height, width, self.metadata)
        except MetadataError as error:
            raise MetadataError(f'{error}; export with a larger onnx_config.input_shape, or '
                                'resize to less (test_pipeline)') from error
        inputs = inputs[..., :target[0], :target[1]]
        return F.pad(inputs, (0, target[1] - inputs.shape[-1], 0, target[0] - inputs.shape[-2]),
                     value=self.metadata['pad_value'])

    def _run_batch(self, inputs: Tensor) -> dict:
        """Outputs of a batch by name; a static input takes one image after another, and the
        number of rows differs between them."""
        array = inputs.contiguous().numpy()
        if self.metadata['input_size'] is None or len(array) == 1:
            return self.run(array)
        singles = [self.run(array[i:i + 1]) for i in range(len(array))]
        return {name: [single[name][0] for single in singles] for name in singles[0]}
