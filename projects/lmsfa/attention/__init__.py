"""Attentions of Table VI; EMA is LMSF-A's own."""
from .afgc_attention import AFGCAttention
from .cpca_attention import CPCAAttention
from .ema_attention import EMAttention
from .se_attention import SEAttention
from .simam import SimAM

__all__ = ['AFGCAttention', 'CPCAAttention', 'EMAttention', 'SEAttention', 'SimAM']
