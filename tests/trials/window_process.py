"""A process with windows: opens and closes many, at moments that a seed chooses, or one that a signal closes.

    python -m tests.trials.window_process opened COUNT SEED FOLDER
    python -m tests.trials.window_process signalled FOLDER

It reports its actions as JSON lines, and ends as the program does. Nothing of the user's is touched when the parent
points the user's folders elsewhere.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import random
import sys

from app.environment import prepare_process

if __name__ == "__main__":
    prepare_process()

from app.end_signals import leave_process
from app.jobs.training import TrainingRun, TrainingRuns
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.ui.application import let_python_see_signals
from app.ui.recording.record_panel import RecordPanel
from app.ui.window.main_window import MainWindow
from app.user_dirs import default_runs_folder, sessions_folder, settings_file
from benchmarks.demo_window import close_measured, make_application, open_window, wait, wait_for_hands
from trainer.runs.run_folder import FineTuneRequest

KINDS = ("bare", "streams", "recording", "everything")
"""What runs in a window; with everything, a training run is started too."""

_STREAMS = ("udp:39200", "osc:39201", "ws:39202,mesh")
_LONGEST_S = 2.5
_SLOW_S = 4.0


def open_and_close(count: int, seed: int) -> None:
    """Opens windows, one after the other, and takes each apart completely while engines may still be loading."""
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        open_s = rng.random() * _LONGEST_S
        window = open_window(streams=_STREAMS if kind in ("streams", "everything") else ())
        run = _equip(window, kind)
        wait(open_s)
        faulthandler.dump_traceback_later(_SLOW_S)  # where it hangs, if it does
        closed_s, saved_s = close_measured(window)
        faulthandler.cancel_dump_traceback_later()
        if run is not None:
            run.stop()  # one that is starting takes no other word
        window.deleteLater()
        del window
        wait(0.05)
        gc.collect()
        _say(window=number, kind=kind, open_s=round(open_s, 2), closed_s=round(closed_s, 2), saved_s=round(saved_s, 2))


def _equip(window: MainWindow, kind: str) -> TrainingRun | None:
    run = None
    if kind == "everything":
        run = TrainingRuns(default_runs_folder()).create(
            FineTuneRequest(str(SHIPPED_NETWORK_DIR), str(sessions_folder()))
        )
        run.start()
    panel = window.findChild(RecordPanel)
    if kind in ("recording", "everything") and panel is not None:
        panel.begin()
    return run


def be_closed_by_a_signal() -> None:
    """Records a session and the motion until a signal comes."""
    application = make_application()
    window = open_window(settings_file=settings_file())
    wait_for_hands(window)
    panel = window.findChild(RecordPanel)
    assert panel is not None
    (motion,) = (action for action in window.key_actions() if action.shortcut().toString() == "Ctrl+Shift+M")
    motion.trigger()
    panel.begin()
    let_python_see_signals(application)
    while panel.recorder is not None and panel.recorder.state.frames < 5:
        wait(0.1)
    _say(ready=True)
    application.exec()


def _say(**content: object) -> None:
    print(json.dumps(content), flush=True)


def main() -> None:
    """Runs the command line."""
    if sys.argv[1] == "opened":
        make_application()
        open_and_close(int(sys.argv[2]), int(sys.argv[3]))
    else:
        be_closed_by_a_signal()
    leave_process(0)


if __name__ == "__main__":
    main()
