"""Takes the pictures of docs/sessions.md: the recorder at work, and the review of what it recorded.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/picture_sessions.py

The demo clip plays as the camera; the session and everything else that is written, but for the two pictures, goes into
a folder that is gone afterwards.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.environment import prepare_process

prepare_process()

from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtWidgets import QApplication, QDockWidget

from app.labelling.session_labeller import label_session
from app.palette import DARK
from app.pipeline.paths.path_factories import chosen_paths
from app.review.session_review import open_review
from app.sources.choose import SourceOptions, choose_source
from app.sources.demo import DEMO_CLIP
from app.ui.extensions import install_extensions
from app.ui.recording import record_panel
from app.ui.review.review_window import ReviewWindow
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from app.ui.window_options import WindowOptions
from benchmarks.demo_window import wait, wait_for_hands
from hand.embedded import load_embedded_model

RECORDED_S = 9.0
PICTURES = ROOT / "docs" / "images"


def main() -> None:
    """Records, labels, and saves both pictures."""
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    model = load_embedded_model()
    with tempfile.TemporaryDirectory() as scratch:
        record_panel.sessions_folder = lambda: Path(scratch)
        window = MainWindow(
            WindowOptions(
                chosen=choose_source(str(DEMO_CLIP), SourceOptions(loop=True)),
                model=model,
                paths=chosen_paths("both", None, model, 1, warn=print),
                theme="dark",
            ),
            install_extensions,
        )
        window.resize(1280, 720)
        window.show()
        wait_for_hands(window)
        (panel,) = window.findChildren(record_panel.RecordPanel)
        dock = next(dock for dock in window.findChildren(QDockWidget) if dock.isAncestorOf(panel))
        dock.show()
        dock.raise_()
        panel.name.setText("Demo")
        panel.begin()
        recorder = panel.recorder
        wait(RECORDED_S)
        window.grab().save(str(PICTURES / "recorder.png"))
        panel.finish()
        window.close()
        assert recorder is not None
        label_session(recorder.folder, model)
        review = ReviewWindow(open_review(recorder.folder, model), model, DARK)
        review.show()
        review.go_to(60)
        wait(1.5)
        review.grab().save(str(PICTURES / "review.png"))
        review.close()


if __name__ == "__main__":
    main()
