"""What may go wrong with what users give: one base class, so that every tool reports it alike."""
import errno

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


def shown(value: object, longest: int = 80) -> str:
    """A value from a file as a message may show it, however long or deep it is."""
    try:
        return printable(repr(value), longest)
    except (ValueError, RecursionError):  # thousands of digits, thousands of brackets
        return f'a {type(value).__name__} too long to show'


class UserError(Exception):
    """Wrong input; the message names the file, the record and the remedy."""

    def __str__(self) -> str:
        return super().__str__().encode('utf-8', 'backslashreplace').decode()


def file_trouble(error: OSError) -> str | None:
    """What to tell a user whose file could not be read or written.

    Args:
        error (OSError): Of opening, reading or writing a file.

    Returns:
        str | None: One sentence; None where the error is no matter of the user's files.
    """
    what = _FILE_TROUBLES.get(error.errno)
    if what is None:
        return None
    where = f'{error.filename}: ' if error.filename is not None else ''
    return f'{where}{what} ({error.strerror or errno.errorcode[error.errno]})'


_FILE_TROUBLES = {
    errno.ENOSPC: 'cannot be written, the disk is full; make room or write to another folder',
    errno.EDQUOT: 'cannot be written, your share of the disk is used up; make room or write to '
                  'another folder',
    errno.EFBIG: 'cannot be written, files may not become that large here',
    errno.EROFS: 'cannot be written, the file system is read-only; write to another folder',
    errno.EACCES: 'is closed to you; change its permissions or name another place',
    errno.EPERM: 'is closed to you; change its permissions or name another place',
    errno.EIO: 'cannot be read or written, the disk reports a fault',
    errno.ENOENT: 'no such file or folder',
    errno.ENOTDIR: 'is not below a folder',
    errno.EISDIR: 'is a folder; name a file',
    errno.EEXIST: 'is there already, as another kind of file',
    errno.ENAMETOOLONG: 'has too long a name',
    errno.ELOOP: 'is a link that leads back to itself',
    errno.EMFILE: 'cannot be opened, too many files are open',
}
