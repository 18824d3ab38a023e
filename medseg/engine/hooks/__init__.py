from .batch_picture_hook import BatchPictureHook
from .bias_warmup_hook import BiasWarmupHook
from .careful_checkpoint_hook import CarefulCheckpointHook
from .channels_last_hook import ChannelsLastHook
from .classes_present_hook import ClassesPresentHook
from .close_mosaic_hook import CloseMosaicHook
from .epoch_seed_hook import EpochSeedHook, epoch_worker_init_fn
from .sum_gradients_hook import SumGradientsHook

__all__ = ['BatchPictureHook', 'BiasWarmupHook', 'CarefulCheckpointHook', 'ChannelsLastHook',
           'ClassesPresentHook', 'CloseMosaicHook', 'EpochSeedHook', 'SumGradientsHook',
           'epoch_worker_init_fn']
