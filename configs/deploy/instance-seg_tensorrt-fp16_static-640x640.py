"""TensorRT FP16: one image of 640x640 to boxes, labels and masks."""
_base_ = ['./_base_/static_640x640.py', './_base_/tensorrt_fp16.py']
backend_config = dict(model_inputs=[dict(input_shapes=dict(input=dict(
    min_shape=[1, 3, 640, 640], opt_shape=[1, 3, 640, 640], max_shape=[1, 3, 640, 640])))])
# Always max_per_img rows, so that no shape depends on what is found.
codebase_config = dict(post_processing=dict(fixed_rows=True))
