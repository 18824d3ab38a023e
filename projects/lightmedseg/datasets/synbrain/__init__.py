"""SynBrain: many patients made from one real head, with four MR contrasts and nested lesions."""
from .generate import Summary, generate
from .patient import Patient, make_patient

__all__ = ['Patient', 'Summary', 'generate', 'make_patient']
