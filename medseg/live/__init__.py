"""Live video with an overlay, a latency budget, and a page in the browser.

    python -m medseg.live MODEL [SOURCE]

Like the runtime it stands on, it imports numpy, OpenCV and a backend; the page needs what
``pip install medseg[live]`` brings. No medical device.
"""
import os

# An upload may be a small file that unpacks to gigabytes. OpenCV reads its limit when it is loaded.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(1 << 26))
