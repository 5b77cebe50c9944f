"""How the program starts processes of its own: isolated code, a fixed folder, and only the environment they need.

A child runs in the product's folder, whatever the current one is, takes no code from there but the product's own
(:mod:`app.isolated_start`), and is given the variables that concern the machine, the desktop, and the numeric
libraries. Access tokens and the like, which many shells hold, are left out: no child needs them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PRODUCT_FOLDER: Final = Path(__file__).resolve().parents[1]
"""Where the product's packages lie, and the current folder of every child."""

_START: Final = Path(__file__).resolve().with_name("isolated_start.py")

_NAMES: Final = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "TEMP", "TMP"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "VIRTUAL_ENV", "CONDA_PREFIX"),
        # Windows
        *("USERNAME", "USERPROFILE", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA"),
        *("LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS"),
    ]
)
_PREFIXES: Final = (
    "HANDLIVE_",
    # desktop and loader
    *("LC_", "XDG_", "QT_", "LD_", "DYLD_", "GLOG_", "MESA_", "LIBGL_", "GALLIUM_"),
    # numeric libraries and graphics cards
    *("OMP_", "KMP_", "OPENBLAS_", "MKL_", "NUMBA_", "OPENCV_", "ORT_", "TF_CPP_"),
    *("TORCH", "PYTORCH_", "TRITON_", "CUDA_", "CUBLAS_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "HSA_"),
)
_INTERPRETER: Final = frozenset({"PYTHONUTF8", "PYTHONIOENCODING", "PYTHONFAULTHANDLER", "PYTHONPYCACHEPREFIX"})
_DOWNLOADS: Final = (
    *("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY", re.IGNORECASE)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of the product's modules isolated.

    Args:
        module: as for ``python -m``.
        arguments: of the module; paths among them absolute, because a child has a folder of its own.
    """
    return [sys.executable, "-P", str(_START), module, *arguments]


def child_environment(
    more: Mapping[str, str] | None = None,
    *,
    downloads: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables of a child process.

    Args:
        more: additional variables.
        downloads: include those that package installers read: proxies, certificates and package indices, which may hold
            the user's own access data for them.
        environment: to choose from; the process's own when None.
    """
    source = os.environ if environment is None else environment
    kept = {name: value for name, value in source.items() if _is_needed(name.upper(), downloads)}
    # libraries outside the environment are found by these folders; a relative one would mean the current folder
    folders = [folder for folder in source.get("PYTHONPATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    if folders:
        kept["PYTHONPATH"] = os.pathsep.join(folders)
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"} | dict(more or {})


def _is_needed(name: str, downloads: bool) -> bool:
    if downloads and name.startswith(_DOWNLOADS):
        return True
    return (name in _NAMES or name in _INTERPRETER or name.startswith(_PREFIXES)) and not _SECRET.search(name)
