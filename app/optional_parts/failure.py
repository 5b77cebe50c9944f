"""From the output of a failed installer to one sentence: what is at fault, and what to do about it."""

from __future__ import annotations

import re
import sys
from typing import Final

from app.optional_parts.parts import OptionalPart

_MAX_DETAIL: Final = 160
_LAST_LINES: Final = 30
"""The cause stands at the end; before it, there may be warnings that the installer has got over."""

_NO_RELEASE: Final = (
    "There is no release of it for this Python ({python}) on this system. Install the program with another Python and "
    "try again."
)

# In the order of the search: pip ends in "no matching distribution" too when there is no network.
_FAULTS: Final = (
    (
        r"No space left on device|not enough space|Errno 28\b|os error 28\b|Disk quota exceeded",
        "The disk is full. Free some space and try again.",
    ),
    (
        r"externally-managed-environment|externally managed",
        "This Python belongs to the operating system, which does not let packages be added. Make an environment for "
        "the program with 'make run', and start it from there.",
    ),
    (
        r"Read-only file system|Permission denied|Access is denied|Errno (?:13|30)\b|os error (?:13|30)\b",
        "The program's Python environment may not be written. Start the program as the user who installed it, and run "
        "'{command}' there.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError|invalid peer certificate",
        "The package index could not be trusted: its certificate is not known here. Set the environment variables "
        "PIP_CERT and SSL_CERT_FILE to your network's certificate file and try again.",
    ),
    (
        r"ProxyError|407 Proxy|Tunnel connection failed",
        "The proxy refused the connection. Check the environment variable HTTPS_PROXY and try again.",
    ),
    (
        r"name resolution|getaddrinfo|NewConnectionError|Failed to establish a new connection|Max retries exceeded"
        r"|Connection (?:aborted|broken|refused|reset)|timed out|Network is unreachable|No route to host|IncompleteRead"
        r"|dns error|error sending request|client error \(Connect\)|Could not connect|Failed to fetch",
        "The package index cannot be reached. Check the internet connection and try again.",
    ),
    (
        r"No module named pip\b",
        "There is no pip in this Python environment. Run 'python -m ensurepip', or install uv, and try again.",
    ),
    (r"has no wheels|no wheels with a matching", _NO_RELEASE),
    (
        r"ResolutionImpossible|conflicting dependencies|No solution found when resolving|incompatible with",
        "What is installed and what the part needs exclude each other. Close the program, run "
        "'pip install --upgrade \".[{name}]\"' in its folder, and start it again.",
    ),
    (r"No matching distribution found|Could not find a version that satisfies", _NO_RELEASE),
    (
        r"do not match the hashes|HashMismatch|BadZipFile|invalid wheel|is not a valid wheel|File is not a zip",
        "A downloaded file is damaged. Try again.",
    ),
    (
        r"MemoryError|Cannot allocate memory|out of memory",
        "There is not enough memory. Close other programs and try again.",
    ),
)
_ERROR_LINE: Final = re.compile(r"^\s*(?:ERROR|error|[A-Za-z]*Error)\s*:\s*(?P<what>.+)$", re.MULTILINE)


def explain_failure(output: str, exit_code: int, part: OptionalPart) -> str:
    """One or two sentences for people.

    Args:
        output: what pip or uv printed.
        exit_code: of its process; negative when a signal ended it, as in :mod:`subprocess`.
        part: what was to be installed.
    """
    end = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
    for pattern, sentence in _FAULTS:
        if re.search(pattern, end, re.IGNORECASE):
            values = {
                "command": part.command,
                "name": part.name,
                "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
            }
            return sentence.format(**values)
    if exit_code < 0:
        return f"The installer was ended from outside (signal {-exit_code}), perhaps for lack of memory. Try again."
    errors = _ERROR_LINE.findall(end) or end.splitlines()
    detail = errors[-1].strip() if errors else "it gave no reason"
    return f"The installer failed with exit code {exit_code}: {detail[:_MAX_DETAIL].rstrip('.')}."
