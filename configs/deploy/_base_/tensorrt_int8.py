"""TensorRT, INT8 where it calibrates, else FP16; calibration images: --calib-dataset-cfg."""
_base_ = './tensorrt.py'
backend_config = dict(common_config=dict(fp16_mode=True, int8_mode=True))
calib_config = dict(create_calib=True, calib_file='calib_data.h5')
