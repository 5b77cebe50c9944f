"""The command line's ``install``: the parts there are, or the installation of one of them, as lines of text."""

from __future__ import annotations

import time

from app.optional_parts.installation import Installation, InstallPhase, InstallState
from app.optional_parts.parts import PARTS
from hand.errors import InstallError

_LOOK_EVERY_S = 0.2
_PRINT_EVERY_S = 2.0


def list_parts() -> None:
    """Prints each part, whether it is here, and what it costs."""
    for part in PARTS.values():
        state = "installed" if part.is_installed() else part.cost.describe()
        print(f"{part.name:<10} {part.purpose}\n{'':<10} {state}")


def install_part(name: str) -> None:
    """Installs a part and prints how far it is.

    Args:
        name: of the part, a key of ``PARTS``.

    Raises:
        InstallError: it could not be installed; the message gives the reason.
        KeyboardInterrupt: the user broke it off; what is left was printed.
    """
    part = PARTS[name]
    if part.is_installed():
        print(f"The {part.title} is installed already.")
        return
    print(f"Installing the {part.title}. {part.cost.describe()}", flush=True)
    installation = Installation(part)
    try:
        state = _follow(installation)
    except KeyboardInterrupt:
        installation.cancel()
        print(_follow(installation).text, flush=True)
        raise
    finally:
        installation.close()
    if state.phase is not InstallPhase.DONE:
        raise InstallError(state.text)
    print(state.text)


def _follow(installation: Installation) -> InstallState:
    shown, shown_s = "", 0.0
    while (state := installation.poll()).phase is InstallPhase.RUNNING:
        now_s = time.monotonic()
        if state.text != shown and now_s - shown_s >= _PRINT_EVERY_S:
            print(state.text, flush=True)
            shown, shown_s = state.text, now_s
        time.sleep(_LOOK_EVERY_S)
    return state
