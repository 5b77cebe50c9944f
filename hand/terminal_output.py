"""Output settings of every program of the package: a letter that the terminal lacks must not end it."""

from __future__ import annotations

import io
import sys


def tolerate_any_letter() -> None:
    """Writes letters that the output's code page lacks as escapes; without this they end the program.

    A legacy code page is what Windows gives to redirected output, and what a C locale gives to a service.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
