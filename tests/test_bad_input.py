"""docs/bad_input.md says what is said."""
from bad_input import TABLES, outdated


def test_the_document_is_up_to_date():
    """``python tests/bad_input.py`` writes it again."""
    assert TABLES and outdated(write=False) == []
