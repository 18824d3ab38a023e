from .auxiliary_segmentor import AuxiliarySegmentor

__all__ = ['AuxiliarySegmentor']
