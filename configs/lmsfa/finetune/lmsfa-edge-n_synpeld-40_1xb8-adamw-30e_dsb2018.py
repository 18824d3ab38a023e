"""LMSF-A edge, size n, from SynPELD's weights on the same 40 images; its classes start anew."""
_base_ = './lmsfa-edge-n_scratch-40_1xb8-adamw-30e_dsb2018.py'
load_from = 'weights/lmsfa-edge-n_synpeld.pth'
partial_start = True
