"""SOLOv2 R50-FPN with its authors' SGD (0.01 for 16 images), 640x640, 300 epochs."""
_base_ = [
    '../_base_/models/solov2_r50.py', '../_base_/datasets/peld_instance.py',
    '../_base_/schedules/sgd_300e.py', '../_base_/default_runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=0.005, weight_decay=1e-4), clip_grad=dict(max_norm=35.))
