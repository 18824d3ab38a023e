"""Fixtures that several test folders share."""
import pytest
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config


@pytest.fixture(scope='session', autouse=True)
def _mmdet_scope():
    register_all_modules(init_default_scope=True)


@pytest.fixture
def build_model():
    """Factory: the model of a config, with options merged into its ``model`` part."""
    import projects.lmsfa.models  # noqa: F401

    def build(path: str, **options):
        config = Config.fromfile(path)
        config.merge_from_dict({f'model.{key}': value for key, value in options.items()})
        return MODELS.build(config.model)

    return build
