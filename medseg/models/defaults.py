"""Defaults that backbone, necks and heads share; configs may override each of them."""

#: BatchNorm as YOLOv8 has it: slower running averages than PyTorch's 0.1, for small batches.
NORM_CFG = dict(type='BN', momentum=0.03, eps=0.001)
ACT_CFG = dict(type='SiLU', inplace=True)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round ``channels`` up to a multiple of ``divisor``."""
    return int(-(-channels // divisor) * divisor)


def scale_depth(num_blocks: int, deepen_factor: float) -> int:
    """Number of units of a stage after depth scaling; at least one."""
    return max(round(num_blocks * deepen_factor), 1)
