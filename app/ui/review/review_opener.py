"""Opens sessions for review: read beside the window, shown each in one of its own, and gone when that is closed."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from app.review.session_review import SessionReview, open_review
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.background_task import Background

_CLOSE_S = 0.2


class ReviewOpener(QObject):
    """Makes review windows that belong to the main window."""

    _read = pyqtSignal(object)

    def __init__(self, host: ExtensionHost) -> None:
        """Nothing is open.

        Args:
            host: whose theme and hand model the reviews have.
        """
        super().__init__(host.parent_widget)
        self._host = host
        self._background = Background(self)
        self._background.finished.connect(host.notify)
        self._read.connect(self._show, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        host.closing.connect(lambda: self._background.wait(_CLOSE_S))

    def open(self, folder: Path) -> None:
        """Reads a session, then shows it; what is wrong with it is said.

        Args:
            folder: of the session.
        """
        model = self._host.options.model

        def work() -> str:
            review = open_review(folder, model)
            self._background.tell(lambda: self._read.emit(review))
            return ""  # the window that opens says enough

        self._background.start("review", work)

    def _show(self, review: SessionReview) -> None:
        if not self._host.parent_widget.isVisible():
            return  # it was closed meanwhile
        # here and not above: it brings the solver along, which a window that only watches does without
        from app.ui.review.review_window import ReviewWindow

        opened = ReviewWindow(review, self._host.options.model, self._host.theme)
        opened.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # thumbnails and labels of a session weigh a lot
        opened.setParent(self._host.parent_widget, Qt.WindowType.Window)
        self._host.theme_changed.connect(opened.set_theme)
        opened.show()
