"""What may go wrong with what users give: one base class, so that every tool reports it alike."""

LONGEST_TEXT = 500
"""Characters of one message; what strangers write may be longer than any screen."""


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text that any terminal and any UTF-8 file takes: on one line, of bounded length.

    Bytes of a file name that are no UTF-8, lone surrogates and control characters are written as
    escapes; the middle of a longer text gives way to ``...``.
    """
    text = text.encode('utf-8', 'backslashreplace').decode()
    text = ''.join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    half = (longest - 5) // 2
    return text if len(text) <= longest else f'{text[:half]} ... {text[-half:]}'


class UserError(Exception):
    """Wrong input; the message names the file, the record and the remedy."""

    def __str__(self) -> str:
        return super().__str__().encode('utf-8', 'backslashreplace').decode()
