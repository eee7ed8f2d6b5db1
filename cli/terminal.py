"""What standard output and standard error do with characters that they cannot show."""

import io
import sys


def replace_what_cannot_be_shown() -> None:
    """Show a question mark in place of a character that the terminal's encoding lacks.

    On standard error, where paths are named, an escape such as `\\u2713` says which character it
    is. The same holds for bytes of a path that are not UTF-8. Where the encoding is ASCII, which is
    most often a locale that nobody set, click writes UTF-8 by itself.
    """
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        # A program that calls the command may have put something else here.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
