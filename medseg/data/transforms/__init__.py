from .drop_keys import DropKeys
from .hsv_gain import HSVGain
from .load_image import LoadImageFromFile
from .load_polygons import LoadPolygonAnnotations
from .mosaic import PolygonMosaic
from .random_affine import PolygonRandomAffine
from .random_corruption import RandomCorruption

__all__ = ['DropKeys', 'HSVGain', 'LoadImageFromFile', 'LoadPolygonAnnotations', 'PolygonMosaic',
           'PolygonRandomAffine', 'RandomCorruption']
