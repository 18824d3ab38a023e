"""The project's parts, registered."""
import pytest


@pytest.fixture(scope='session', autouse=True)
def _registered():
    import projects.hrmedseg.models  # noqa: F401
