"""YOLOv8n-seg with the paper's recipe; row 1 of the ablation under its own name."""
_base_ = '../lmsfa/ablation/lmsfa-n_base_1xb8-300e_peld.py'
