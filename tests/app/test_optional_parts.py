"""Installing an optional part, with a fake pip and with wheels of a few bytes; nothing here needs a network."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_installers import MODULE, TINY_PART, use_fake_pip, write_product, write_wheel

from app.command_line import run
from app.optional_parts.environment import PythonEnvironment, running_environment
from app.optional_parts.failure import explain_failure
from app.optional_parts.installation import KILL_AFTER_S, Installation, InstallPhase, InstallState
from app.optional_parts.installer_output import InstallerOutput
from app.optional_parts.parts import PARTS, TRAIN, Cost, OptionalPart
from app.optional_parts.requirements import part_requirements, version_constraints
from hand.errors import InstallError

PATIENCE_S = 60.0


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonEnvironment:
    """An empty folder of packages, and this interpreter with the fake pip."""
    return use_fake_pip(tmp_path, monkeypatch)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return write_product(tmp_path / "product", f"{MODULE}>=1")


def follow(installation: Installation, until: Callable[[InstallState], bool] | None = None) -> list[InstallState]:
    """The distinct states in order, up to the end or to the first for which ``until`` is true."""
    states: list[InstallState] = []
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        state = installation.poll()
        if not states or states[-1] != state:
            states.append(state)
        if state.phase is not InstallPhase.RUNNING or (until is not None and until(state)):
            return states
        time.sleep(0.02)
    pytest.fail(f"the expected state was not reached: {states}")


def add_distribution(site: Path, name: str, version: str) -> None:
    """Writes the metadata of an installed package."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


# requirements


def test_constraints_hold_installed_versions_and_pin_new_packages(
    environment: PythonEnvironment, product: Path
) -> None:
    add_distribution(environment.site_packages, "NumPy", "2.1")
    add_distribution(environment.site_packages, "typing_extensions", "4.0")
    add_distribution(environment.site_packages, "pip", "23.0")
    add_distribution(environment.site_packages, "~orch", "2.0")  # left behind by an interrupted removal
    (product / "constraints.txt").write_text(
        "numpy==1.9\ntyping.extensions==5\ntorch==2.14 ; python_version >= '3'\n# no\n"
    )
    assert version_constraints(environment, product) == [
        "numpy==2.1",
        "typing-extensions==4.0",
        "torch==2.14 ; python_version >= '3'",
    ]


def test_part_that_the_product_does_not_define_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="defines the tiny part"):
        part_requirements(TINY_PART, write_product(tmp_path, "numpy") / "no such folder")


@pytest.mark.parametrize("name", list(PARTS))
def test_every_part_is_an_extra_of_the_product(name: str) -> None:
    requirements = part_requirements(PARTS[name])
    for module in PARTS[name].modules:
        assert any(requirement.startswith(module) for requirement in requirements)
    assert PARTS[name].cost.download_mb > 0


def test_part_is_installed_only_with_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not TINY_PART.is_installed()
    (tmp_path / f"{MODULE}.py").write_text("raise RuntimeError('must not be imported')")
    assert not TINY_PART.is_installed()  # the state after an interrupted installation
    add_distribution(tmp_path, MODULE, "1.0")
    assert TINY_PART.is_installed()
    assert MODULE not in sys.modules


# successful installations


def test_an_installation_from_start_to_end(environment: PythonEnvironment, product: Path, tmp_path: Path) -> None:
    add_distribution(environment.site_packages, "numpy", "2.1")
    states = follow(Installation(TINY_PART, environment, product))
    assert states[-1] == InstallState(InstallPhase.DONE, "The tiny part is installed.", 1.0)
    assert [share for share in (state.share for state in states) if share is not None][-1] == 1.0
    assert environment.installed_versions() == {"numpy": "2.1", MODULE.replace("_", "-"): "1.0"}
    assert sorted(path.name for path in environment.site_packages.iterdir() if path.name.startswith(".")) == []
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:2] == ["install", f"{MODULE}>=1"]
    assert not Path(arguments[arguments.index("--constraint") + 1]).exists()


def test_download_progress_is_reported_in_megabytes(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    installation = Installation(TINY_PART, environment, product)
    # on a busy machine the file is seen while it grows
    state = follow(installation, lambda state: state.share is not None and state.share >= 0.499)[-1]
    installation.close()
    assert state.text == "Downloading: 2 of 3 MB"
    assert state.share == pytest.approx(0.75 * 2.0 / 3.0)


def test_installation_fails_if_the_part_is_missing_after_pip_succeeds(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "nothing")
    end = follow(Installation(TINY_PART, environment, product))[-1]
    assert end.phase is InstallPhase.FAILED
    assert f"{MODULE} is not there" in end.text


# cancelled installations


def test_cancelling_a_download_ends_all_processes_and_changes_nothing(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    installation = Installation(TINY_PART, environment, product)
    child = tmp_path / "child"
    follow(installation, lambda _state: child.exists() and child.read_text() != "")
    installation.cancel()
    assert follow(installation)[-1] == InstallState(InstallPhase.CANCELLED, "Cancelled. Nothing was changed.")
    if sys.platform != "win32":
        wait_for_end_of(int(child.read_text()))
    assert not any((environment.site_packages / ".handlive-install").glob("temporary/*"))


def test_cancelling_while_unpacking_reports_the_packages_that_stay(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while unpacking")
    installation = Installation(TINY_PART, environment, product)
    follow(installation, lambda state: "1 of 2 packages" in state.text)
    installation.cancel()
    end = follow(installation)[-1]
    assert end.phase is InstallPhase.CANCELLED
    assert end.text.startswith("Cancelled. 1 of its packages stay; they do no harm")
    # the next attempt succeeds
    monkeypatch.setenv("PIP_FAKE", "install")
    assert follow(Installation(TINY_PART, environment, product))[-1].phase is InstallPhase.DONE


def test_installer_that_ignores_termination_is_killed(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "do not listen")
    monkeypatch.setattr("app.optional_parts.installation.KILL_AFTER_S", 0.3)
    installation = Installation(TINY_PART, environment, product)
    follow(installation, lambda state: "Finding out" in state.text)
    installation.cancel()
    assert follow(installation)[-1].phase is InstallPhase.CANCELLED
    assert KILL_AFTER_S > 0.3


def test_second_installation_at_the_same_time_is_refused(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", "wait while downloading")
    first = Installation(TINY_PART, environment, product)
    with pytest.raises(InstallError, match="being installed already"):
        Installation(TINY_PART, environment, product)
    first.close()
    assert first.poll().phase is InstallPhase.CANCELLED


# failed installations

NO_NETWORK = (
    "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<pip._vendor"
    ".urllib3>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /x/|"
    "ERROR: Could not find a version that satisfies the requirement torch>=2.6 (from versions: none)|"
    "ERROR: No matching distribution found for torch>=2.6"
)
FAILURES = {
    "pip without network": (NO_NETWORK, "cannot be reached"),
    "uv without network": (
        "error: Request failed after 3 retries|  Caused by: Failed to fetch: `x`|  Caused by: error sending request|"
        "  Caused by: client error (Connect)|  Caused by: dns error: failed to lookup address information",
        "cannot be reached",
    ),
    "disk full": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "The disk is full",
    ),
    "uv, disk full": ("error: failed to write|  Caused by: No space left on device (os error 28)", "The disk is full"),
    "read-only": (
        "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: '/x'",
        "may not",
    ),
    "no rights": ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", "may not"),
    "managed": ("error: externally-managed-environment||x This environment is externally managed", "operating system"),
    "conflict": (
        "ERROR: Cannot install a and b because these package versions have conflicting dependencies.|The conflict is "
        "caused by:|    a 1 depends on numpy<2|    The user requested (constraint) numpy==2.1|"
        "ERROR: ResolutionImpossible: for help visit x",
        "exclude each other",
    ),
    "no wheel": ("ERROR: No matching distribution found for torch>=2.6", "no release of it for this Python"),
    "certificate": (
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))",
        "could not be trusted",
    ),
    "proxy": ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))", "The proxy refused"),
    "damaged": (
        "ERROR: Wheel 'torch' located at /x is invalid.|zipfile.BadZipFile: File is not a zip file",
        "is damaged",
    ),
    "other": ("some words|ERROR: The moon is in the way|", "exit code 1: The moon is in the way."),
    "silence": ("", "it gave no reason"),
}


@pytest.mark.parametrize("case", list(FAILURES))
def test_failure_is_explained_in_one_line(case: str) -> None:
    output, words = FAILURES[case]
    sentence = explain_failure(output.replace("|", "\n"), 1, TRAIN)
    assert words in sentence
    assert "\n" not in sentence
    assert "{" not in sentence


def test_recovered_error_is_not_reported_as_the_cause() -> None:
    recovered = NO_NETWORK.split("|")[0]
    output = "\n".join([recovered, *["Collecting x"] * 40, "ERROR: ResolutionImpossible: for help visit x"])
    assert "exclude each other" in explain_failure(output, 1, TRAIN)


def test_signal_that_killed_the_installer_is_reported() -> None:
    assert "signal 9" in explain_failure("Collecting torch", -9, TRAIN)


def test_failed_installation_is_reported_and_can_be_repeated(
    environment: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAKE", NO_NETWORK)
    end = follow(Installation(TINY_PART, environment, product))[-1]
    assert end.phase is InstallPhase.FAILED
    assert end.text == (
        "The tiny part was not installed. The package index cannot be reached. Check the internet connection and try "
        "again. Nothing was changed."
    )
    monkeypatch.setenv("PIP_FAKE", "install")
    assert follow(Installation(TINY_PART, environment, product))[-1].phase is InstallPhase.DONE


def test_installation_without_enough_disk_space_is_refused_beforehand(
    environment: PythonEnvironment, product: Path
) -> None:
    large = OptionalPart("tiny", "large part", "x", (MODULE,), {"": Cost(10**9, 10**9, 1.0)})
    with pytest.raises(InstallError, match=r"needs 2000000\.0 GB of free space .* free some and try again"):
        Installation(large, environment, product)
    assert list(environment.site_packages.iterdir()) == []


def test_an_environment_that_cannot_be_written_is_refused_beforehand(tmp_path: Path, product: Path) -> None:
    site = tmp_path / "is a file" / "site"
    site.parent.write_text("")
    with pytest.raises(InstallError, match="may not be written"):
        Installation(TINY_PART, PythonEnvironment(Path(sys.executable), site, ()), product)


def test_the_systems_own_python_is_refused_beforehand(tmp_path: Path, product: Path) -> None:
    environment = PythonEnvironment(Path(sys.executable), tmp_path, (), externally_managed=True)
    with pytest.raises(InstallError, match=r"operating system's own Python .* 'make run'"):
        Installation(TINY_PART, environment, product)


@pytest.fixture
def without_pip(tmp_path: Path) -> PythonEnvironment:
    """An interpreter that finds no pip."""
    (tmp_path / "bare").mkdir()
    venv.create(tmp_path / "bare" / "venv", with_pip=False, symlinks=os.name != "nt")
    place = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    return PythonEnvironment(tmp_path / "bare" / "venv" / place, tmp_path / "bare", ())


def test_missing_pip_and_uv_is_reported(
    without_pip: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InstallError, match="neither pip in this Python environment nor uv"):
        Installation(TINY_PART, without_pip, product)


@pytest.mark.skipif(sys.platform == "win32", reason="the fake uv is a shell script")
def test_uv_installs_where_there_is_no_pip(
    without_pip: PythonEnvironment, product: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    uv = tmp_path / "programs" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\necho "$@"\necho error: no >&2\nexit 2\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(uv.parent), prepend=os.pathsep)
    installation = Installation(TINY_PART, without_pip, product)
    assert follow(installation)[-1].phase is InstallPhase.FAILED
    words = installation.log_file.read_text().split()
    assert words[:5] == ["pip", "install", "--python", str(without_pip.python), f"{MODULE}>=1"]
    assert "--no-input" not in words  # which uv does not have


# what pip and uv print


def test_pip_output_is_parsed() -> None:
    output = InstallerOutput()
    for line in (
        "Collecting torch>=2.6 (from handlive)",
        "  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (31 kB)",
        "Requirement already satisfied: numpy>=2 in ./site-packages (2.4.6)",
        "Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (848.0 MB)",
    ):
        output.feed(line)
    assert output.announced_mb == pytest.approx(848.031)
    assert output.package == "torch"
    assert not output.is_unpacking
    output.feed("Installing collected packages: mpmath, nvidia_nvtx, Torch")
    assert output.unpacking == ("mpmath", "nvidia-nvtx", "torch")


def test_uv_output_is_parsed() -> None:
    output = InstallerOutput()
    for line in ("Resolved 61 packages in 1.2s", "Downloading torch (848.0MiB)", "Downloading triton (100.0MiB)"):
        output.feed(line)
    assert (output.announced_mb, output.finished_mb) == (pytest.approx(948.0 * 1.048576), 0.0)
    output.feed(" Downloaded triton")
    assert output.finished_mb == pytest.approx(104.8576)
    output.feed("Prepared 61 packages in 1m 2s")
    assert output.is_unpacking


# with the real pip, in an environment of its own


@pytest.mark.slow
def test_the_real_pip_installs_a_wheel_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "venv"
    try:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError:
        pytest.skip("this Python cannot make an environment with pip")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    printed = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    site = Path(printed.stdout.strip())
    environment = PythonEnvironment(python, site, (str(site),))
    wheels = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        write_wheel(wheels, "handlive_tiny_neighbour", version)
    write_wheel(wheels, MODULE, "1.0", "handlive_tiny_neighbour")
    write_wheel(wheels, MODULE, "2.0", "handlive_tiny_neighbour>=2")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    neighbour = OptionalPart("tiny", "neighbour", "x", ("handlive_tiny_neighbour",), {"": Cost(1, 1, 0.1)})
    old = write_product(tmp_path / "old", "handlive_tiny_neighbour==1.0")
    assert follow(Installation(neighbour, environment, old))[-1].phase is InstallPhase.DONE
    # the newest part needs the neighbour 2.0; the installed 1.0 is held, so the older part is installed
    assert (
        follow(Installation(TINY_PART, environment, write_product(tmp_path / "new", MODULE)))[-1].phase
        is InstallPhase.DONE
    )
    there = environment.installed_versions()
    assert (there["handlive-tiny-neighbour"], there[MODULE.replace("_", "-")]) == ("1.0", "1.0")
    subprocess.run([python, "-c", f"import {MODULE}"], check=True)
    # a conflict without a solution is reported
    end = follow(Installation(TINY_PART, environment, write_product(tmp_path / "newer", f"{MODULE}>=2")))[-1]
    assert end.phase is InstallPhase.FAILED
    assert "exclude each other" in end.text
    assert environment.installed_versions() == there


# the command line


def test_the_command_line_lists_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install"]) == 0
    output = capsys.readouterr().out
    assert all(part.purpose in output for part in PARTS.values())


@pytest.mark.parametrize(("behaviour", "code"), [("install", 0), (NO_NETWORK, 2)])
def test_the_command_line_installs(
    behaviour: str,
    code: int,
    environment: PythonEnvironment,
    product: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PIP_FAKE", behaviour)
    monkeypatch.setitem(PARTS, "train", TINY_PART)
    monkeypatch.setattr(
        "app.optional_parts.command.Installation", lambda part: Installation(part, environment, product)
    )
    assert run(["install", "train"]) == code
    captured = capsys.readouterr()
    if code:
        assert captured.err.startswith(
            "handlive: The tiny part was not installed. The package index cannot be reached."
        )
        assert "Traceback" not in captured.err
    else:
        assert captured.out.splitlines()[-1] == "The tiny part is installed."


def test_this_interpreters_environment() -> None:
    environment = running_environment()
    assert environment.python == Path(sys.executable)
    assert "numpy" in environment.installed_versions()
    assert "numpy" in environment.packages_now() | environment.installed_versions().keys()


def wait_for_end_of(process: int) -> None:
    """Waits until a process is gone, or is a zombie that was not reaped."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    pytest.fail(f"process {process} is still running")
