"""What all exports share: names, opset, the project's task and rewriters."""
onnx_config = dict(
    type='onnx',
    export_params=True,
    keep_initializers_as_inputs=False,
    opset_version=17,
    save_file='end2end.onnx',
    input_names=['input'],
    output_names=['dets', 'labels', 'masks'],
    input_shape=None,
    optimize=False)
codebase_config = dict(
    type='mmdet',
    task='InstanceSegmentation',
    model_type='end2end',
    module=['medseg.deploy.task', 'medseg.deploy.rewriters'],
    post_processing=dict(
        # Thresholds come from the model's test_cfg; these stand in where it has none.
        score_threshold=0.05,
        confidence_threshold=0.005,
        iou_threshold=0.5,
        max_output_boxes_per_class=1000,  # no cut before max_per_img
        pre_top_k=5000,
        keep_top_k=100,
        background_label_id=-1,
        # Masks come out at input size, cut at their boxes. `mask_at_input=False` gives those of
        # prototype heads at a quarter of it, uncut: cheaper, and for a reader that resamples
        # them to the image and cuts there, more exact.
        export_postprocess_mask=True,
        mask_at_input=True,
        # Always max_per_img rows (score 0 fills up) instead of as many as there are.
        fixed_rows=False,
        # The network's decoded maps instead: no NMS, no masks.
        raw=False,
        # Of raw exports: prototypes as (B, h, w, P), as processors keep maps, not (B, P, h, w).
        prototypes_last=False))
