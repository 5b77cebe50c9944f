"""Opens sessions for review: read beside the window, shown each in one of its own, and gone when that is closed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, Qt

from app.review.session_review import SessionReview, open_review
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.background_task import BackgroundTasks

_CLOSE_S = 0.2


class ReviewOpener(QObject):
    """Makes review windows that belong to the main window."""

    def __init__(self, host: ExtensionHost) -> None:
        """Nothing is open.

        Args:
            host: whose theme and hand model the reviews have.
        """
        super().__init__(host.parent_widget)
        self._host = host
        self._background = BackgroundTasks(self, host.notify)
        host.closing.connect(partial(self._background.abandon, _CLOSE_S))

    def open(self, folder: Path) -> None:
        """Reads a session, then shows it; what is wrong with it is said.

        Args:
            folder: of the session.
        """
        self._background.start("review", partial(open_review, folder, self._host.options.model), self._show)

    def _show(self, review: SessionReview) -> None:
        # here and not above: it brings the solver along, which a window that only watches does without
        from app.ui.review.review_window import ReviewWindow

        opened = ReviewWindow(review, self._host.options.model, self._host.theme)
        opened.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # thumbnails and labels of a session weigh a lot
        opened.setParent(self._host.parent_widget, Qt.WindowType.Window)
        self._host.theme_changed.connect(opened.set_theme)
        opened.show()
