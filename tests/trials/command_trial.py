"""Every command with the faults that people meet: each ends in one sentence and exit code 2, and leaves no half output.

A case counts as tried only where the sentence is about its own fault, so that a command line that has gone stale is
found, too.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from assets import ASSETS_DIR
from tests.trials.counts import Finding, Outcome
from tests.trials.hostile_files import DEEP, bmp_bomb, png_bomb
from tests.trials.processes import PATIENCE_S, ROOT, TRACEBACK, start

NETWORK = ASSETS_DIR / "network"
CLIP = ASSETS_DIR / "demo" / "demo.mp4"

_FULL_KB = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One command line.

    Attributes:
        name: command and fault.
        words: the command without the interpreter.
        about: a part of the sentence that is expected, as a regular expression.
        leaves_no: a pattern in the trial's folder that nothing may match afterwards.
        makes: a pattern that something must match afterwards.
        codes: exit codes that are right.
        interrupted_s: when it is interrupted; None lets it run to its own end.
    """

    name: str
    words: tuple[str, ...]
    about: str
    leaves_no: str = ""
    makes: str = ""
    codes: tuple[int, ...] = field(default=(2,))
    interrupted_s: float | None = None


def try_commands(scratch: Path, seed: int, *, every: int = 1, pattern: str = "") -> Iterator[Outcome]:
    """Runs the cases, one after the other.

    Args:
        scratch: an empty folder.
        seed: of everything random.
        every: run each case of this number alone, 1 for all of them.
        pattern: of the names of cases, a regular expression.
    """
    folder = scratch / "commands"
    folder.mkdir()
    with ExitStack() as stack:
        _make_files(folder, random.Random(seed))
        disks = {name: stack.enter_context(_disk(folder / name, name == "read-only")) for name in ("full", "read-only")}
        taken = stack.enter_context(_taken_port())
        cases = [*_program_cases(folder, taken), *_trainer_cases(folder), *_session_cases(folder)]
        cases += _output_cases(folder, [name for name, there in disks.items() if there])
        server = CommandServer()
        stack.callback(server.close)
        for case in [case for case in cases if re.search(pattern, case.name)][::every]:
            yield _judged(case, folder, server)
    shutil.rmtree(folder)


def _judged(case: Case, folder: Path, server: CommandServer) -> Outcome:
    home = folder / "homes" / re.sub(r"\W+", "-", case.name)
    home.mkdir(parents=True)
    code, said = server.run(case, home)
    lines = [line for line in said.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    finding, detail = None, ""
    if code is None:
        finding, detail = Finding.HANG, f"after {PATIENCE_S:g} s: {last[-300:]}"
    elif code < 0:
        finding, detail = Finding.CRASH, f"exit code {code}: {last[-300:]}"
    elif TRACEBACK in said:
        finding, detail = Finding.TRACEBACK, last[-300:]
    elif code not in case.codes:
        finding, detail = Finding.TRACEBACK, f"exit code {code}: {last[-300:]}"
    elif not re.search(case.about, said):
        finding, detail = Finding.TRACEBACK, f"not about {case.about!r}: {last[-300:]}"
    elif case.leaves_no and (left := [path.name for path in folder.glob(case.leaves_no)]):
        finding, detail = Finding.LOST, f"it left {', '.join(left[:5])}"
    elif case.makes and not list(folder.glob(case.makes)):
        finding, detail = Finding.LOST, f"{case.makes} is not there: {last[-300:]}"
    return Outcome("commands", case.name, finding, detail)


class CommandServer:
    """:mod:`tests.trials.command_server`, started again where it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, case: Case, home: Path) -> tuple[int | None, str]:
        """The exit code of a command, None where it did not end, and what it printed.

        Args:
            case: the command.
            home: its current folder, and where the user's folders lie.
        """
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "tests.trials.command_server"]
            self._process = start(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        question = {
            "words": case.words,
            "folder": str(home),
            "environment": {f"XDG_{kind}_HOME": str(home) for kind in ("CONFIG", "DATA", "CACHE")}
            | {"HOME": str(home)},
            "interrupted_s": case.interrupted_s,
            "patience_s": PATIENCE_S,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            return -signal.SIGKILL, "the server of commands is gone"
        answer = json.loads(line)
        return answer["code"], str(answer["said"])

    def close(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


# the files


def _make_files(folder: Path, rng: random.Random) -> None:
    """Faults of every kind, with names that describe them."""
    (folder / "a file").write_text("no folder")
    (folder / "empty").mkdir()
    (folder / "junk").write_bytes(rng.randbytes(5000))
    (folder / "junk.mp4").write_bytes(rng.randbytes(5000))
    (folder / "cut.mp4").write_bytes(CLIP.read_bytes()[:3000])
    (folder / "junk.npz").write_bytes(rng.randbytes(5000))
    (folder / "junk.safetensors").write_bytes(rng.randbytes(5000))
    (folder / "deep.json").write_text("[" * DEEP)
    (folder / "list.json").write_text("[1, 2]")
    (folder / "predictions.json").write_text('{"schema": 1, "images": [{"file": 3}, {}]}')
    (folder / "board.txt").write_text("no board")
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe.mp4")
    os.mkfifo(folder / "pipe.yaml")
    with (folder / "terabyte.jpg").open("wb") as file:
        file.truncate(1 << 40)
    png_bomb(folder / "bomb.png")
    bmp_bomb(folder / "bomb.bmp")
    (folder / "broken pictures").mkdir()
    for number, data in enumerate((b"", b"\xff\xd8\xff", bytes(1000))):
        (folder / "broken pictures" / f"{number}.jpg").write_bytes(data)
    (folder / "grey pictures").mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / "grey pictures" / f"{number}.jpg"), np.full((120, 160, 3), 128, np.uint8))
    _make_recipes(folder)
    _make_networks(folder)
    _make_sets(folder)


def _make_recipes(folder: Path) -> None:
    values = {
        "batch": "steps: 3\nbatch: 0\n",
        "wide": "name: a\nnetwork: {trunk: mobilenet_v3_small, head: mlp, input_px: 128, width: 100000000}\n",
        "average": "ema_decay: .nan\n",
        "steps": "steps: -5\n",
        "outside": "name: ../../outside\n",
        "unknown": "stepps: 3\n",
        "no yaml": "a: [1, 2\n",
        "no set": "name: a\nsources:\n  - {kind: freihand, path: nowhere}\n",
        "no photographs": "name: a\nsources:\n  - {kind: photographs, path: nowhere.json, pictures: nowhere}\n",
        "no start": "name: a\nstart_from: nowhere.safetensors\nsources:\n  - {kind: rendered}\n",
        "laughs": "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
        "tag": "a: !!python/object/apply:os.mkdir [executed]\n",
    }
    for name, text in values.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "binary.yaml").write_bytes(bytes(range(256)))


def _make_networks(folder: Path) -> None:
    for name, part, size in (("cut network", "network.onnx", 5000), ("cut metadata", "network.json", 40)):
        shutil.copytree(NETWORK, folder / name)
        (folder / name / part).write_bytes((NETWORK / part).read_bytes()[:size])
    shutil.copytree(NETWORK, folder / "cut weights")
    (folder / "cut weights" / "network.safetensors").write_bytes((NETWORK / "network.safetensors").read_bytes()[:5000])


def _make_sets(folder: Path) -> None:
    freihand = folder / "freihand"
    (freihand / "training" / "rgb").mkdir(parents=True)
    for name in ("K", "mano", "xyz", "verts", "scale"):
        (freihand / f"training_{name}.json").write_text("[[1.0, 2.0")
    session = folder / "sessions" / "damaged"
    session.mkdir(parents=True)
    (session / "session.json").write_text('{"schema": 1')
    run = folder / "damaged run"
    run.mkdir()
    (run / "request.json").write_text('{"base": 1}')
    (run / "events.jsonl").write_text("\xff\xfe")
    half = folder / "half a series"
    half.mkdir()
    (half / "synthesis.json").write_text("{")
    used = folder / "used"
    used.mkdir()
    (used / "letter.txt").write_text("mine")


@contextmanager
def _disk(folder: Path, read_only: bool) -> Iterator[bool]:
    """A disk without room, or one that takes nothing; False where this user may not mount one."""
    folder.mkdir()
    options = "ro" if read_only else f"size={_FULL_KB}k"
    mounted = (
        sys.platform == "linux"
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextmanager
def _taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


# the commands


def _program(*words: object) -> tuple[str, ...]:
    return str(ROOT / "main_v2.py"), *map(str, words)


def _trainer(*words: object) -> tuple[str, ...]:
    return "-m", "trainer", *map(str, words)


def _program_cases(folder: Path, taken_port: int) -> Iterator[Case]:
    missing, inside = folder / "missing", folder / "a file" / "out"
    pictures, out = folder / "grey pictures", folder / "predicted.json"
    predict = ("predict", "--input")
    for name, source, about in (
        ("missing", missing, "missing"),
        ("broken pictures", folder / "broken pictures", "picture"),
        ("empty folder", folder / "empty", "empty|no picture"),
        ("video", folder / "junk.mp4", "--headless"),
        ("pipe", folder / "pipe.jpg", "pipe.jpg"),
        ("terabyte", folder / "terabyte.jpg", "terabyte.jpg"),
        ("PNG bomb", folder / "bomb.png", "bomb.png"),
        ("BMP bomb", folder / "bomb.bmp", "bomb.bmp"),
    ):
        yield Case(f"predict, {name}", _program(*predict, source, "--output", out), about, out.name)
    yield Case("predict, output in a file", _program(*predict, pictures, "--output", inside), "a file")
    yield Case("predict, output is a folder", _program(*predict, pictures, "--output", folder / "empty"), "empty")
    for name, network in (("missing", missing), ("cut", folder / "cut network"), ("damaged", folder / "cut metadata")):
        options = ("--output", out, "--method", "network", "--network", network)
        yield Case(f"predict, {name} network", _program(*predict, pictures, *options), network.name, out.name)
    for option, values in (
        ("--fov", ("0", "nan", "1e9", "wide")),
        ("--intrinsics", ("1,2,3", "nan,1,1,1", "-1,2,3,4", "1e999,1,1,1")),
        ("--hand-model", (missing, folder / "junk", folder / "junk.npz", folder / "pipe.jpg")),
        ("--save-motion", (folder / "motion.exe", inside)),
        ("--calibration", (folder / "junk",)),
        ("--looks", ("0", "10" * 20)),
    ):
        for value in values:
            words = _program(*predict, pictures, "--output", out, option, value)
            about = re.escape(Path(str(value)).name if isinstance(value, Path) else option)
            about = "a file|hand" if value == inside else f"{about}|field of view|[Ii]ntrinsics"
            if option == "--calibration":
                continue  # predict processes each picture by itself
            yield Case(f"predict, {option} {Path(str(value)).name}", words, about)
    headless = ("--headless", "--report", folder / "report", "--frames", "5")
    for name, source, about in (
        ("missing", f"{missing}.mp4", "missing"),
        ("junk", folder / "junk.mp4", "junk.mp4"),
        ("cut", folder / "cut.mp4", "cut.mp4"),
        ("pipe", folder / "pipe.mp4", "pipe.mp4"),
        ("picture that is a pipe", folder / "pipe.jpg", "pipe.jpg"),
        ("bomb", folder / "bomb.png", "bomb.png"),
        ("no camera", "97", "97"),
        ("no address", "htp://a/b", "htp"),
        ("nobody there", "http://127.0.0.1:9/video", "127.0.0.1"),
        ("name too long", "x" * 5000, "x"),
    ):
        yield Case(f"headless, source {name}", _program(*headless, "--source", source), about)
    for option, values in (
        ("--size", ("0x0", "99999999x99999999", "big")),
        ("--fps", ("0", "nan", "-3")),
        ("--frames", ("-1", "0", "1.5", "many")),
        ("--stream", ("udp:0", "udp:99999999", "smoke:1", f"ws:127.0.0.1:{taken_port}", "udp:no host!:9000")),
        ("--network", (missing, folder / "cut network", folder / "cut metadata")),
        ("--hand-model", (folder / "a file", folder / "pipe.jpg")),
        ("--rotate", ("45",)),
        ("--smoothing", ("2", "nan")),
        ("--hands", ("7",)),
    ):
        for value in values:
            about = re.escape(value.name if isinstance(value, Path) else option)
            if option == "--stream":
                about = "udp|smoke|ws|port"
            words = _program(*headless, "--source", "demo", option, value)
            yield Case(f"headless, {option} {Path(str(value)).name}", words, about)
    yield Case("headless, report in a file", _program("--headless", "--source", pictures, "--report", inside), "a file")
    yield Case("board, text", _program("board", "--output", folder / "new.txt"), "new.txt", "new.txt")
    yield Case("board, in a file", _program("board", "--output", inside.with_suffix(".png")), "a file")
    lens = ("calibrate-camera", "--camera", "a", "--source")
    yield Case("calibrate-camera, missing", _program(*lens, missing), "missing")
    yield Case("calibrate-camera, no board", _program(*lens, pictures), "board")
    yield Case("calibrate-camera, no name", _program("calibrate-camera", "--source", pictures), "--camera")
    views = ("two-views", "--report", folder / "views")
    yield Case("two-views, missing", _program(*views, "--source", CLIP, "--second", missing), "missing", "views")
    yield Case("two-views, junk", _program(*views, "--source", CLIP, "--second", folder / "junk.mp4"), "junk", "views")
    yield Case("two-views, length", _program(*views, "--second", CLIP, "--palm-length-mm", "nan"), "palm-length")
    yield Case("install, unknown", _program("install", "everything"), "everything")


def _trainer_cases(folder: Path) -> Iterator[Case]:
    missing, inside = folder / "missing", folder / "a file" / "out"
    good, run, net = ROOT / "configs" / "debug.yaml", folder / "run", folder / "net"
    yield Case("trainer, unknown command", _trainer("teach"), "teach")
    fit = ("fit", "--out", run, "--config")
    for name, about in (
        ("missing", "missing"),
        ("empty", "empty"),
        ("binary.yaml", "binary.yaml"),
        ("pipe.yaml", "pipe.yaml"),
        ("no yaml.yaml", "no yaml.yaml"),
        ("laughs.yaml", "laughs.yaml"),
        ("tag.yaml", "tag.yaml"),
        ("batch.yaml", "batch"),
        ("wide.yaml", "width"),
        ("average.yaml", "ema_decay"),
        ("steps.yaml", "steps"),
        ("outside.yaml", "name"),
        ("unknown.yaml", "stepps"),
        ("no set.yaml", "nowhere"),
        ("no photographs.yaml", "nowhere.json"),
        ("no start.yaml", "nowhere.safetensors"),
    ):
        yield Case(f"fit, {name}", _trainer(*fit, folder / name), about, "run/last.pt")
    for value, about in (
        ("batch=0", "batch"),
        ("batch=1e400", "batch"),
        ("steps=99999999999999999999", "steps"),
        ("network=big", "network"),
        ("nothing", "nothing"),
        ("sources=[{kind: dreams}]", "dreams"),
    ):
        yield Case(f"fit, {value}", _trainer(*fit, good, value), about, "run/last.pt")
    yield Case("fit, into a file", _trainer("fit", "--config", good, "--out", inside), "a file|Not a directory")
    recorded = ("fit", "--config", ROOT / "configs" / "finetune.yaml", "--out", run, "--recordings")
    yield Case("fit, no recordings", _trainer(*recorded, missing), "missing|start_from", "run/last.pt")

    tune = ("finetune", "--run")
    sessions = folder / "sessions"
    for name, words, about in (
        ("nothing asked", (run,), "--base|request"),
        ("no base", (run, "--base", missing, "--recordings", sessions), "missing"),
        (
            "cut weights",
            (run, "--base", folder / "cut weights", "--recordings", sessions),
            "weights|safetensors|session",
        ),
        ("cut metadata", (run, "--base", folder / "cut metadata", "--recordings", sessions), "network.json"),
        ("no recordings", (run, "--base", NETWORK, "--recordings", missing), "missing"),
        ("no session", (run, "--base", NETWORK, "--recordings", folder / "empty"), "session|recording"),
        ("damaged session", (run, "--base", NETWORK, "--recordings", sessions), "session"),
        ("no such session", (run, "--base", NETWORK, "--recordings", sessions, "--train", "x"), "x"),
        ("damaged run", (folder / "damaged run",), "request.json"),
        ("run in a file", (inside, "--base", NETWORK, "--recordings", sessions), "a file|session"),
        ("general", (run, "--base", NETWORK, "--recordings", sessions, "--general", "-1"), "--general"),
        ("finish nothing", (folder / "empty", "--finish"), "--base"),
    ):
        yield Case(f"finetune, {name}", _trainer(*tune, *words), about, "run/network*")

    both = ("compare", "--recordings", sessions, "--out", folder / "compared")
    for name, before, about in (
        ("no network", missing, "missing"),
        ("cut network", folder / "cut network", "cut network"),
        ("cut metadata", folder / "cut metadata", "cut metadata"),
        ("a file", folder / "a file", "a file"),
    ):
        words = _trainer(*both, "--before", before, "--after", NETWORK)
        yield Case(f"compare, {name}", words, f"{about}|session", "compared/*")
    pair = ("--before", NETWORK, "--after", NETWORK, "--out", folder / "compared", "--recordings")
    yield Case("compare, no recordings", _trainer("compare", *pair, missing), "missing", "compared/*")
    yield Case("compare, crops", _trainer("compare", *pair, sessions, "--crops", "0"), "--crops")

    make = ("synthesize", "--jobs", "1", "--out")
    series = folder / "series"
    for name, words, about in (
        ("into a file", (inside, "--count", "1"), "a file"),
        ("count 0", (series, "--count", "0"), "--count"),
        ("count huge", (series, "--count", "9" * 40), "--count"),
        ("seed", (series, "--count", "1", "--seed", "-1"), "--seed"),
        ("size", (series, "--count", "1", "--size", "10x10"), "--size"),
        ("size huge", (series, "--count", "1", "--size", "999999x999999"), "--size"),
        ("size of FreiHAND", (series, "--count", "1", "--format", "freihand", "--size", "64x32"), "square"),
        ("no backgrounds", (series, "--count", "1", "--backgrounds", missing), "missing"),
        ("broken backgrounds", (series, "--count", "1", "--backgrounds", folder / "broken pictures"), "background"),
        ("used folder", (folder / "used", "--count", "1"), "used"),
        ("damaged series", (folder / "half a series", "--count", "1"), "synthesis.json"),
    ):
        yield Case(f"synthesize, {name}", _trainer(*make, *words), about, "series/labels.jsonl.*")
    words = _trainer(*make, folder / "stopped", "--count", "5000")
    yield Case("synthesize, interrupted", words, "goes on|^$", "stopped/*.part", "", (130,), 12.0)

    features = ("features", "--config")
    yield Case("features, missing", _trainer(*features, missing), "missing")
    yield Case("features, nothing to store", _trainer(*features, good), "features")
    yield Case("features, first", _trainer(*features, good, "--first", "-1"), "--first")
    yield Case("features, count", _trainer(*features, good, "--count", "1e9"), "--count")
    yield Case("features, source", _trainer(*features, good, "--source", "7"), "7|features")

    measure = ("evaluate", "--out", folder / "evaluated", "--config", good)
    yield Case("evaluate, nothing", _trainer("evaluate"), "--config")
    for name, words, about in (
        ("no network", ("--network", missing), "missing"),
        ("cut network", ("--network", folder / "cut network", "--crops", "4"), "cut network"),
        ("cut metadata", ("--network", folder / "cut metadata"), "cut metadata"),
        ("crops", ("--network", NETWORK, "--crops", "0"), "--crops"),
        ("no run", ("--run", missing), "missing"),
        ("damaged run", ("--run", folder / "damaged run"), "damaged run"),
        ("junk weights", ("--weights", folder / "junk.safetensors"), "junk.safetensors"),
        ("no photographs", ("--network", NETWORK, "--crops", "4", "--photographs", missing, missing), "missing"),
        ("list", ("--network", NETWORK, "--crops", "4", "--photographs", folder / "list.json", missing), "list.json"),
        ("no data set", ("--network", NETWORK, "--dataset", "freihand", missing), "missing"),
        ("unknown data set", ("--network", NETWORK, "--dataset", "dreams", folder), "dreams"),
        ("cut data set", ("--network", NETWORK, "--dataset", "freihand", folder / "freihand"), "freihand"),
        ("device", ("--network", NETWORK, "--device", "abacus"), "--device"),
    ):
        yield Case(f"evaluate, {name}", _trainer(*measure, *words), about, "evaluated/report.json")

    for name, source, about in (
        ("missing", missing, "missing"),
        ("empty", folder / "empty", "empty"),
        ("a file", folder / "a file", "a file"),
        ("cut labels", folder / "freihand", "training_"),
    ):
        # of a set it can open, the check gives a verdict: 1 where training would refuse
        codes = (1,) if name == "cut labels" else (2,)
        checked = _trainer("data", "check", source, "--out", folder / "checked")
        yield Case(f"data check, {name}", checked, about, codes=codes)
        packed = folder / "packed"
        yield Case(f"data pack, {name}", _trainer("data", "pack", source, "--out", packed), about, "packed/*")
    yield Case("data check, most", _trainer("data", "check", folder / "freihand", "--most", "-1"), "--most")
    words = _trainer("data", "pack", folder / "freihand", "--out", folder / "packed", "--per-shard", "0")
    yield Case("data pack, per shard", words, "--per-shard")

    export = ("export", "--out", net, "--config")
    for name, words, about in (
        ("no weights", (good, "--weights", missing), "missing"),
        ("junk weights", (good, "--weights", folder / "junk.safetensors"), "junk.safetensors"),
        ("weights of another recipe", (good, "--weights", NETWORK / "network.safetensors"), "network.safetensors"),
        ("no recipe", (missing, "--weights", folder / "junk.safetensors"), "missing"),
        ("crops", (good, "--weights", missing, "--crops", "-1"), "--crops"),
    ):
        yield Case(f"export, {name}", _trainer(*export, *words), about, "net")

    for command, out in (("masks", folder / "masks"), ("backgrounds", folder / "parts")):
        for name in ("missing", "junk", "deep.json", "list.json", "predictions.json", "empty"):
            words = _trainer(command, "--predictions", folder / name, "--pictures", folder / "empty", "--out", out)
            yield Case(f"{command}, {name}", words, re.escape(name) + "|prediction file", f"{out.name}/*")
    words = _trainer(
        *("masks", "--floor", "nan", "--predictions", missing, "--pictures", missing, "--out", folder / "masks")
    )
    yield Case("masks, floor", words, "--floor")
    yield Case("notebook, in a file", _trainer("notebook", "--out", inside), "a file|Not a directory")
    yield Case("notebook, stale", _trainer("notebook", "--check", "--out", folder / "list.json"), "list.json")
    yield Case("demo-clip, levels", _trainer("demo-clip", "--levels", "99", "--out", folder / "clip"), "--levels")
    yield Case("demo-clip, seed", _trainer("demo-clip", "--seed", "-3", "--out", folder / "clip"), "--seed")


def _session_cases(folder: Path) -> Iterator[Case]:
    missing, home = folder / "missing", folder / "home"
    recording = ("-m", "app.recording")
    for name, source, about in (
        ("no video", missing, "missing"),
        ("junk", folder / "junk.mp4", "junk"),
        ("pipe", folder / "pipe.mp4", "pipe"),
        ("broken pictures", folder / "broken pictures", "picture"),
        ("empty folder", folder / "empty", "empty|picture"),
    ):
        yield Case(f"import, {name}", (*recording, "import", str(source), "--home", str(home)), about, "home/*")
    inside = str(folder / "a file" / "home")
    yield Case("import, into a file", (*recording, "import", str(CLIP), "--home", inside), "a file")
    damaged = folder / "sessions" / "damaged"
    for name, session, about in (("no session", missing, "missing"), ("damaged", damaged, "session.json")):
        yield Case(
            f"export of {name}", (*recording, "export", str(session), str(folder / "exported")), about, "exported"
        )
        yield Case(f"label {name}", ("-m", "app.labelling", str(session)), about)
    yield Case("delete no session", (*recording, "delete", str(folder / "used")), "used")
    yield Case("hand model", (*recording, "--hand-model", str(folder / "junk"), "list", "--home", str(home)), "junk")


def _output_cases(folder: Path, disks: list[str]) -> Iterator[Case]:
    """Where nothing can be written."""
    pictures, good = folder / "grey pictures", ROOT / "configs" / "debug.yaml"
    short = ("steps=2", "evaluate_every=2", "evaluation_count=2", "batch=2", "tensorboard=false")
    for disk in disks:
        out = folder / disk / "out"
        about = r"space|[Rr]ead-only|cannot be written|cannot be made"
        yield Case(
            f"predict, {disk} disk",
            _program("predict", "--input", pictures, "--output", out / "p.json", "--save-motion", out / "a.npz"),
            f"{about}|no hand",
            f"{disk}/out/*.part",
        )
        words = _program("--headless", "--source", CLIP, "--frames", "30", "--report", out / "report")
        yield Case(f"headless, {disk} disk", words, about, f"{disk}/out/report/.*.part")
        motion = folder / f"{disk}.npz"  # which lands where there is room, whatever becomes of the report
        saved = (*words, "--save-motion", str(motion))
        yield Case(f"headless, {disk} disk and motion", saved, about, "", motion.name)
        yield Case(f"board, {disk} disk", _program("board", "--output", out / "b.png"), about, f"{disk}/out/*b.png*")
        yield Case(f"fit, {disk} disk", _trainer("fit", "--config", good, "--out", out / "run", *short), about)
        yield Case(f"demo-clip, {disk} disk", _trainer("demo-clip", "--levels", "1", "--out", out / "clip"), about)
        words = _trainer("synthesize", "--jobs", "1", "--count", "8", "--out", out / "series")
        yield Case(f"synthesize, {disk} disk", words, about, f"{disk}/out/series/.*.part")
        yield Case(
            f"notebook, {disk} disk", _trainer("notebook", "--out", out / "n.ipynb"), about, f"{disk}/out/*n.ipynb*"
        )
        words = ("-m", "app.recording", "import", str(CLIP), "--home", str(out / "home"))
        yield Case(f"import, {disk} disk", words, about)
