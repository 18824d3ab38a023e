"""OpenVINO; weights stay FP32 unless `compress_to_fp16`."""
backend_config = dict(type='openvino', compress_to_fp16=False)
