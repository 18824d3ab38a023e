"""Semantic models: logits of each class's area."""
_base_ = './onnx.py'
onnx_config = dict(output_names=['logits'])
codebase_config = dict(
    task='Segmentation', post_processing=dict(_delete_=True, raw=False))
