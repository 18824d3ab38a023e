from .drop_keys import DropKeys
from .mosaic import PolygonMosaic
from .random_affine import PolygonRandomAffine

__all__ = ['DropKeys', 'PolygonMosaic', 'PolygonRandomAffine']
