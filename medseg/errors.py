"""What may go wrong with what users give: one base class, so that every tool reports it alike."""


class UserError(Exception):
    """Wrong input; the message names the file, the record and the remedy."""
