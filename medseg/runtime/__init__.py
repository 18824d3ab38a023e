"""LMSF-A without MMDetection: numpy, OpenCV and ONNX Runtime or OpenVINO are all it imports.

    from medseg.runtime import Segmenter

    segmenter = Segmenter('end2end.onnx')
    found = segmenter(cv2.imread('frame.png'))        # boxes, labels, scores, masks
    cv2.imwrite('overlay.png', segmenter.draw(frame, found))

Models are what ``tools/deploy.py`` writes. ``python -m medseg.runtime --help`` runs one on
images, folders and videos.
"""
from .postprocess import Instances
from .segmenter import Segmenter
from .session import ModelError

__all__ = ['Instances', 'ModelError', 'Segmenter']
