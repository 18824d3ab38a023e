"""Fixtures that several test folders share."""
import pytest
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from tool_runs import load_tool

#: Files that train or start processes; they run last, so that plain mistakes show early.
SLOW = ('test_overfit', 'test_zoo', 'test_benchmark_tool', 'test_other_models', 'test_train',
        'test_resume', 'test_dist_train', 'test_fuse_tool', 'test_infer')


def pytest_collection_modifyitems(items):
    """Fast tests first; the order within the two groups stays."""
    items.sort(key=lambda item: item.path.stem in SLOW)


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


@pytest.fixture
def error_of(capsys, monkeypatch):
    """Factory: the line that a tool prints about wrong input, which must be all it does."""
    monkeypatch.setenv('LOCAL_RANK', '0')  # the tools set it; this takes it back

    def run(tool: str, *words) -> str:
        capsys.readouterr()
        assert load_tool(tool).main([str(word) for word in words]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and lines[0].startswith('error: ')
        return lines[0]

    return run
