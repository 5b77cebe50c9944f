"""One installation of an optional part: pip or uv in a child process, followed by what it writes to a log file."""

from __future__ import annotations

import importlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from app.child_process import PRODUCT_FOLDER, child_environment
from app.optional_parts.environment import PythonEnvironment, running_environment
from app.optional_parts.failure import explain_failure
from app.optional_parts.installer_output import InstallerOutput
from app.optional_parts.parts import OptionalPart, size_text
from app.optional_parts.requirements import part_requirements, version_constraints
from hand.errors import InstallError

KILL_AFTER_S: Final = 3.0
"""An installer that was requested to end and has not after so long is killed."""

_NICENESS: Final = 10  # the live picture has priority
_DOWNLOAD_SHARE: Final = 0.75  # of the progress bar; the rest is for unpacking
_UNPACK_FOLDER: Final = "pip-unpack-*"
_WORK_FOLDER: Final = ".handlive-install"
_MIN_MB_FOR_RATE: Final = 5.0


class InstallPhase(Enum):
    """Where an installation stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class InstallState:
    """An installation at one moment.

    Attributes:
        phase: where it stands.
        text: what it is doing, or how it ended, for people.
        share: how much of it is done, 0 to 1; None while that is unknown.
    """

    phase: InstallPhase
    text: str
    share: float | None = None


class Installation:
    """Installs one part; call :meth:`poll` now and then.

    The installer downloads everything before it changes the environment. What is installed already keeps its version.
    """

    def __init__(
        self, part: OptionalPart, environment: PythonEnvironment | None = None, product: Path = PRODUCT_FOLDER
    ) -> None:
        """Checks what can be checked beforehand, and starts the installer.

        Args:
            part: what to install.
            environment: where to; that of the running interpreter when left out.
            product: the folder of ``pyproject.toml`` and ``constraints.txt``.

        Raises:
            InstallError: the environment may not be changed, has no installer or no space, or an installation of it is
                under way.
        """
        self.part = part
        self._environment = environment or running_environment()
        installer = self._check_environment()
        self._work = self._environment.site_packages / _WORK_FOLDER
        self._temporary = self._work / "temporary"
        self.log_file = self._work / "log.txt"
        self._lock = FileLock(self._work / "lock")
        self._before = self._environment.installed_versions()
        self._output = InstallerOutput()
        self._read_to = 0
        self._half_line = ""
        self._cancelled_s: float | None = None
        self._began_s: float | None = None
        self._began_mb = 0.0
        self._downloaded_mb = 0.0
        self._ended: InstallState | None = None
        requirements = part_requirements(part, product)
        constraints = version_constraints(self._environment, product)
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InstallError("A part is being installed already; wait for that to end.") from None
        except OSError as problem:
            raise InstallError(self._not_writable(problem)) from None
        try:
            self._process = self._start([*installer, *requirements], constraints)
        except OSError as problem:
            self._tidy_up(keep_downloads=True)
            raise InstallError(f"The installer cannot be started ({problem.strerror}); free some memory.") from None
        except BaseException:
            self._tidy_up(keep_downloads=True)
            raise

    def poll(self) -> InstallState:
        """Where the installation stands; once it has ended, always the same."""
        if self._ended is not None:
            return self._ended
        # tested before the log is read, so that nothing that was written before the end is missed
        exit_code = self._process.poll()
        self._read_log()
        if exit_code is not None:
            self._ended = self._end(exit_code)
            self._tidy_up(keep_downloads=self._ended.phase is not InstallPhase.DONE)
            return self._ended
        if self._cancelled_s is not None:
            if time.monotonic() - self._cancelled_s > KILL_AFTER_S:
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            return InstallState(InstallPhase.RUNNING, "Cancelling ...")
        return self._progress()

    def cancel(self) -> None:
        """Requests the installer's end; :meth:`poll` reports what is left of it."""
        if self._cancelled_s is None and self._ended is None:
            self._cancelled_s = time.monotonic()
            self._signal(signal.SIGINT)

    def close(self) -> None:
        """Ends the installer at once, where it still runs, and waits for that."""
        if self._ended is None:
            self._cancelled_s = self._cancelled_s or time.monotonic()
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            self._process.wait()
            self.poll()

    # before

    def _check_environment(self) -> list[str]:
        """The installer's command, once nothing is left that would make it fail.

        Raises:
            InstallError: the environment cannot be changed, the disk is too full, or there is no installer.
        """
        environment, part = self._environment, self.part
        if environment.externally_managed:
            raise InstallError(
                f"The {part.title} cannot be added to the operating system's own Python ({environment.python}); make "
                "an environment for the program with 'make run', and start it from there."
            )
        if not environment.is_writable():
            raise InstallError(self._not_writable(None))
        free_mb, needed_mb = environment.free_mb(), part.cost.download_mb + part.cost.disk_mb
        if free_mb < needed_mb:
            raise InstallError(
                f"The {part.title} needs {size_text(needed_mb)} of free space while it is being installed, and the "
                f"disk of {environment.site_packages} has {size_text(free_mb)}; free some and try again."
            )
        installer = environment.installer()
        if installer is None:
            raise InstallError(
                f"There is neither pip in this Python environment nor uv on this machine to install the {part.title} "
                f"with; run '{environment.python} -m ensurepip' and try again."
            )
        return installer

    def _not_writable(self, problem: OSError | None) -> str:
        cause = "" if problem is None else f" ({problem.strerror})"
        return (
            f"The {self.part.title} cannot be installed, because {self._environment.site_packages} may not be "
            f"written{cause}; start the program as the user who installed it."
        )

    def _start(self, command: list[str], constraints: list[str]) -> subprocess.Popen[bytes]:
        constraints_file = self._work / "constraints.txt"
        constraints_file.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        command = [*command, "--constraint", str(constraints_file)]
        if command[1:4] == ["-P", "-m", "pip"]:  # uv has neither these options nor the need of them
            command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", *self._cache_options()]
        elsewhere = {name: str(self._temporary) for name in ("TMPDIR", "TEMP", "TMP")}
        with self.log_file.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._work,
                # /tmp may be a small disk in memory, and what the installer leaves there is found here; the system's
                # words in English, because they are searched for the cause of a failure
                env=child_environment(elsewhere | {"LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}, downloads=True),
                start_new_session=True,  # Ctrl+C reaches it through cancel() alone, and it takes its children along
            )
        with suppress(OSError, AttributeError):  # Windows has no such call
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        return process

    def _cache_options(self) -> list[str]:
        """Where there is space, what was downloaded is kept until the installation succeeds, for the next try."""
        cost = self.part.cost
        if self._environment.free_mb() < 3 * cost.download_mb + cost.disk_mb:
            return ["--no-cache-dir"]
        return ["--cache-dir", str(self._work / "downloads")]

    # meanwhile

    def _read_log(self) -> None:
        with self.log_file.open("rb") as log:
            log.seek(self._read_to)
            text = log.read()
        self._read_to += len(text)
        lines = (self._half_line + text.decode(errors="replace")).split("\n")
        self._half_line = lines.pop()
        for line in lines:
            self._output.feed(line)

    def _progress(self) -> InstallState:
        output, cost = self._output, self.part.cost
        if output.is_unpacking:
            names = output.unpacking
            done = len(self._environment.packages_now().intersection(names))
            # uv does not name them
            text = (
                f"Unpacking {names[min(done, len(names) - 1)]}: {done} of {len(names)} packages"
                if names
                else "Unpacking"
            )
            share = done / len(names) if names else 0.0
            return InstallState(InstallPhase.RUNNING, text, _DOWNLOAD_SHARE + (1.0 - _DOWNLOAD_SHARE) * share)
        self._downloaded_mb = max(self._downloaded_mb, output.finished_mb, _size_mb(self._temporary))
        if not output.package:
            return InstallState(InstallPhase.RUNNING, "Starting the installer")
        if self._downloaded_mb < 1.0:
            return InstallState(InstallPhase.RUNNING, f"Finding out what is needed: {output.package}")
        whole_mb = max(cost.download_mb, output.announced_mb, self._downloaded_mb)
        text = f"Downloading: {self._downloaded_mb:,.0f} of {whole_mb:,.0f} MB{self._time_left(whole_mb)}"
        return InstallState(InstallPhase.RUNNING, text, _DOWNLOAD_SHARE * self._downloaded_mb / whole_mb)

    def _time_left(self, whole_mb: float) -> str:
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s, self._began_mb = now_s, self._downloaded_mb
        came_mb, seconds = self._downloaded_mb - self._began_mb, now_s - self._began_s
        if came_mb < _MIN_MB_FOR_RATE:
            return ""
        left_s = (whole_mb - self._downloaded_mb) * seconds / came_mb
        return f", {math.ceil(left_s / 60.0)} min left" if left_s >= 60.0 else ", less than a minute left"

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, number)

    # after

    def _end(self, exit_code: int) -> InstallState:
        # the import system's cache of the folders would hide the new packages from this process
        importlib.invalidate_caches()
        after = self._environment.installed_versions()
        if exit_code == 0:
            missing = [module for module in self.part.modules if module not in map(_as_module, after)]
            if not missing:
                return InstallState(InstallPhase.DONE, f"The {self.part.title} is installed.", 1.0)
            sentence = f"The installer reports success, but {', '.join(missing)} is not there; see {self.log_file}."
            return InstallState(InstallPhase.FAILED, sentence)
        left = self._describe_what_is_left(after)
        if self._cancelled_s is not None:
            return InstallState(InstallPhase.CANCELLED, f"Cancelled. {left}")
        output = self.log_file.read_text(encoding="utf-8", errors="replace")
        sentence = explain_failure(output, exit_code, self.part)
        return InstallState(InstallPhase.FAILED, f"The {self.part.title} was not installed. {sentence} {left}")

    def _describe_what_is_left(self, after: dict[str, str]) -> str:
        changed = sorted(name for name, version in self._before.items() if after.get(name) != version)
        if changed:
            return f"{', '.join(changed)} changed meanwhile; run 'make run' to put that right."
        added = len(after.keys() - self._before.keys())
        if added or self._output.is_unpacking:
            return (
                f"{added} of its packages stay; they do no harm, what was there before is unchanged, and the next try "
                "goes on from there."
            )
        return "Nothing was changed."

    def _tidy_up(self, *, keep_downloads: bool) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        if self._lock.is_locked:
            self._lock.release()
            if not keep_downloads:
                shutil.rmtree(self._work, ignore_errors=True)


def _size_mb(folder: Path) -> float:
    """Size of the wheels that pip has downloaded, of half ones too, in 10^6 bytes."""
    total = 0
    for path in folder.glob(f"{_UNPACK_FOLDER}/*"):
        with suppress(OSError):  # it may vanish meanwhile
            total += path.stat().st_size
    return total / 1e6


def _as_module(name: str) -> str:
    return name.replace("-", "_")
