"""A raw export with known answers."""
import pytest
from runtime_models import METADATA, constant_model, raw_outputs


@pytest.fixture
def raw_model(tmp_path):
    return constant_model(tmp_path / 'raw.onnx', raw_outputs(), dict(METADATA, kind='raw'))
