"""Fixtures for all tests: array shapes are checked at run time, and a test that leaks a thread fails."""

from __future__ import annotations

import importlib.util
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

if importlib.util.find_spec("torch") is not None:
    # torch's compiler kills the process when it is loaded after software OpenGL (docs/architecture.md), as it would be
    # where tests of the app run alone and one of them opens a network
    import torch._dynamo  # noqa: F401

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in the background with Ctrl+C ignored, and tests that press it would wait for ever
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHARED_REAL = ROOT.parent / "shared" / "real"


def _modules_with_shapes() -> list[str]:
    """Modules of hand/ and trainer/ whose annotations are checked at run time.

    Modules that compile functions with numba are excluded (numba compiles the plain function, not one wrapped in
    checks), and so are the packages themselves, because the hook would include every module of a named package.
    """
    files = (path for package in ("hand", "inference", "trainer") for path in sorted((ROOT / package).rglob("*.py")))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if not path.stem.startswith("__") and "numba" not in path.read_text()
    ]


_hook = install_import_hook(_modules_with_shapes(), "beartype.beartype")


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fails a test that leaves a thread running; daemon threads count too, they only hide the leak."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 10.0
    while leaked := [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads still running after the test: {[thread.name for thread in leaked]}")
        time.sleep(0.01)


@pytest.fixture(scope="session")
def training_part() -> None:
    """Skips tests that need torch where only the live part is installed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("the training part is not installed")


@pytest.fixture
def shared_real() -> Path:
    """The folder of real development pictures, which are not part of the repository."""
    if not SHARED_REAL.is_dir():
        pytest.skip("the real development pictures (../shared/real) are not here")
    return SHARED_REAL
