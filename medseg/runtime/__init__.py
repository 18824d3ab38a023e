"""The models without MMDetection: numpy, OpenCV and ONNX Runtime or OpenVINO are all it imports.

    from medseg.runtime import Segmenter

    segmenter = Segmenter('end2end.onnx')
    found = segmenter(cv2.imread('frame.png'))        # boxes, labels, scores, masks
    cv2.imwrite('overlay.png', segmenter.draw(frame, found))

Semantic models are read by ``SemanticSegmenter``, which finds one area a class; ``open_model``
takes either. Models are what ``tools/deploy.py`` writes. ``python -m medseg.runtime --help`` runs
one on images, folders and videos.
"""
from .opening import open_model
from .postprocess import Instances
from .segmenter import Segmenter
from .semantic import Areas, SemanticSegmenter
from .session import ModelError

__all__ = ['Areas', 'Instances', 'ModelError', 'Segmenter', 'SemanticSegmenter', 'open_model']
