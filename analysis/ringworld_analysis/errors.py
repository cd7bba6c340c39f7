"""The one exception that a user of the program can cause."""


class InputError(Exception):
    """A file or an argument cannot be used; the message is one line and names it."""
