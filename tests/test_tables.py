"""Tables in Markdown, on the terminal and in documents."""
import pytest

from medseg.errors import UserError
from medseg.tables import fill, markdown, plain


def test_markdown():
    assert markdown(['model', 'mAP'], [['a|b', '1.5'], ['c\nd', '12']]) == (
        '| model | mAP |\n| --- | ---: |\n| a\\|b | 1.5 |\n| c d | 12 |')
    assert markdown(['a', 'b'], [], words=2) == '| a | b |\n| --- | --- |'


def test_plain():
    assert plain(['class', 'train'], [['bone', '7'], ['nerve', '1234']]).splitlines() == [
        'class      train', '-------  -------', 'bone           7', 'nerve       1234']
    # figures stay as they are written
    assert '0.500' in plain(['class', 'AP'], [['bone', '0.500']])


@pytest.mark.parametrize('text, told', [
    ('nothing', 'found 0'), ('<!-- table: a -->\nno end', 'found 0'),
    ('<!-- table: a -->\n<!-- end of table -->\n' * 2, 'found 2')])
def test_a_document_without_one_place(tmp_path, text, told):
    path = tmp_path / 'd.md'
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        fill(path, 'a', 'new')
    assert path.read_text() == text
    with pytest.raises(UserError, match='no such document'):
        fill(tmp_path / 'none.md', 'a', 'new')
