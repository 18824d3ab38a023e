"""Channels-last memory format."""
import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lay the model's weights out as NHWC; activations follow them.

    Convolutions and normalisations run faster so on CPUs (about 1.3 times for a training step
    of LMSF-A-n on two cores) and on GPUs with tensor cores. Results are equal up to rounding.
    """

    def before_run(self, runner) -> None:
        """Convert once, after the model was built."""
        runner.model.to(memory_format=torch.channels_last)
