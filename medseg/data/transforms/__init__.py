from .drop_keys import DropKeys
from .load_polygons import LoadPolygonAnnotations
from .mosaic import PolygonMosaic
from .random_affine import PolygonRandomAffine

__all__ = ['DropKeys', 'LoadPolygonAnnotations', 'PolygonMosaic', 'PolygonRandomAffine']
