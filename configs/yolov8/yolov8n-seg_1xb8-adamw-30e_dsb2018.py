"""YOLOv8n-seg on DSB2018; row 1 of the ablation under its own name."""
_base_ = '../lmsfa/ablation/lmsfa-n_base_1xb8-adamw-30e_dsb2018.py'
