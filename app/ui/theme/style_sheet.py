"""The style sheet of the widgets, made from a theme."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QGuiApplication, QPainter, QPainterPath, QPalette, QPixmap

from app.palette import DARK, LIGHT, THEMES, Theme, ThemeName

SPACING_PX = 12
RADIUS_PX = 12

_SHEET = """
* {{ font-size: 13px; }}
QWidget#body, QDialog {{ background: {window}; }}
QWidget#bar {{ background: {window}; }}
QLabel {{ color: {text}; background: transparent; }}
QLabel#product {{ font-size: 17px; font-weight: 600; }}
QLabel#metricName {{ color: {muted}; font-size: 11px; }}
QLabel#metricValue {{ color: {text}; font-size: 13px; font-weight: 600; }}
QMenu {{ background: {surface}; color: {text}; border: 1px solid {border}; padding: 6px; }}
QMenu::item {{ padding: 7px 28px 7px 12px; border-radius: 6px; }}
QMenu::item:selected {{ background: {hover}; }}
QMenu::item:disabled {{ color: {muted}; }}
QMenu::separator {{ height: 1px; background: {border}; margin: 6px 8px; }}
QToolTip {{ background: {surface}; color: {text}; border: 1px solid {border}; padding: 5px 7px; }}
QFrame#message {{ background: {surface}; border: 1px solid {border}; border-radius: 12px; }}
QLabel#messageTitle {{ font-size: 16px; font-weight: 600; }}
QLabel#messageText {{ color: {muted}; }}
QLabel#warningText {{ color: {warning}; }}
QLineEdit {{
    color: {text}; background: {raised}; border: 1px solid {border}; border-radius: 8px; padding: 6px 10px;
    selection-background-color: {accent}; selection-color: {on_accent};
}}
QLineEdit:focus, QComboBox:focus {{ border-color: {accent}; }}
QComboBox {{
    color: {text}; background: {raised}; border: 1px solid {border}; border-radius: 8px; padding: 7px 10px;
    min-height: 18px;
}}
QComboBox::drop-down {{ border: none; width: 0px; }}
QComboBox QAbstractItemView {{ background: {surface}; color: {text}; selection-background-color: {hover}; }}
QPushButton {{
    color: {text}; background: {raised}; border: 1px solid {border}; border-radius: 8px; padding: 7px 14px;
    min-height: 18px;
}}
QPushButton#icon {{ padding: 7px 9px; }}
QPushButton:hover {{ background: {hover}; }}
QPushButton:focus {{ border-color: {accent}; }}
QPushButton:checked, QPushButton#primary {{ background: {accent}; color: {on_accent}; border-color: {accent}; }}
QPushButton#primary {{ font-weight: 600; }}
QPushButton:disabled, QPushButton#primary:disabled {{
    color: {muted}; background: {surface}; border-color: {border}; font-weight: normal;
}}
QPushButton::menu-indicator {{ image: none; width: 0px; }}
QLabel#hint {{
    background: {surface}; color: {text}; border: 1px solid {border}; border-radius: 15px; padding: 6px 14px;
}}
QLabel#aside {{
    background: rgba(16, 18, 22, 165); color: #f2f4f7; border-radius: 9px; padding: 3px 9px; font-size: 11px;
}}
QLabel#warning {{
    background: {surface}; color: {warning}; border: 1px solid {warning}; border-radius: 15px; padding: 6px 14px;
}}
QSplitter::handle {{ background: {window}; }}
QLabel#paneTitle {{ font-size: 14px; font-weight: 600; }}
QLabel#paneNumbers {{ color: {muted}; font-size: 12px; }}
QLabel#badge {{
    color: {on_accent}; background: {accent}; border-radius: 8px; padding: 1px 8px; font-size: 10px; font-weight: 700;
}}
QLabel#section {{ color: {muted}; font-size: 11px; font-weight: 600; }}
QLabel#small {{ color: {muted}; font-size: 12px; }}
QLabel#value {{ font-size: 12px; font-weight: 600; }}
QPushButton#switch {{ padding: 2px 5px; border-radius: 7px; background: transparent; border: 1px solid transparent; }}
QPushButton#switch:hover {{ background: {hover}; }}
QPushButton#switch:focus {{ border-color: {accent}; }}
QPushButton#switch:checked {{ background: transparent; border-color: transparent; }}
QPushButton#segment, QPushButton#first, QPushButton#last {{ border-radius: 0px; padding: 7px 12px; margin-left: -1px; }}
QPushButton#first {{ border-top-left-radius: 8px; border-bottom-left-radius: 8px; margin-left: 0px; }}
QPushButton#last {{ border-top-right-radius: 8px; border-bottom-right-radius: 8px; }}
QPushButton#segment:disabled, QPushButton#first:disabled, QPushButton#last:disabled {{ color: {muted}; }}
QWidget#panel {{ background: {surface}; border: 1px solid {border}; border-radius: 12px; }}
QDockWidget {{ color: {text}; background: {window}; }}
QDockWidget > QWidget {{ background: {window}; }}
QStatusBar {{ background: {window}; min-height: 50px; }}
QStatusBar::item {{ border: none; }}
QScrollArea {{ border: none; background: transparent; }}
QScrollArea > QWidget > QWidget {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 0px; }}
QScrollBar::handle:vertical {{ background: {border}; border-radius: 4px; min-height: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0px; width: 0px; }}
QTabBar {{ qproperty-drawBase: false; qproperty-elideMode: ElideNone; qproperty-usesScrollButtons: true; }}
QTabBar QToolButton {{ background: {surface}; color: {text}; border: none; width: 14px; }}
QTabBar QToolButton:hover {{ background: {hover}; }}
QTabBar QToolButton:disabled {{ color: {border}; }}
QTabBar::tab {{
    background: transparent; color: {muted}; padding: 6px 12px; border: none; border-bottom: 2px solid transparent;
}}
QTabBar::tab:selected {{ color: {text}; border-bottom: 2px solid {accent}; }}
QSlider::groove:horizontal {{ height: 4px; background: {border}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{
    width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: {text}; border: none;
}}
QSlider::handle:horizontal:focus {{ background: {accent}; }}
QTreeWidget, QPlainTextEdit {{
    background: {surface}; color: {text}; border: 1px solid {border}; border-radius: 8px; padding: 2px;
    selection-background-color: {hover}; selection-color: {text}; outline: none;
}}
QTreeWidget::item {{ padding: 4px 2px; }}
QTreeWidget::item:selected {{ background: {hover}; color: {text}; }}
QHeaderView {{ background: transparent; }}
QHeaderView::section {{ background: {surface}; color: {muted}; border: none; padding: 4px 4px; font-size: 11px; }}
QProgressBar {{ background: {border}; border: none; border-radius: 3px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QFrame#divider {{ background: {border}; max-width: 1px; min-width: 1px; }}
"""


def style_sheet(theme: Theme) -> str:
    """Qt style sheet of all parts of the window."""
    return _SHEET.format(**asdict(theme))


def palette(theme: Theme) -> QPalette:
    """Qt's own palette, for what a style sheet does not reach (file dialogs, links)."""
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.surface,
        QPalette.ColorRole.AlternateBase: theme.raised,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.ToolTipBase: theme.surface,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.Link: theme.accent,
    }
    result = QPalette()
    for role, color in roles.items():
        result.setColor(role, QColor(color))
    return result


def system_theme() -> Theme:
    """The desktop's setting; dark where there is none."""
    hints = QGuiApplication.styleHints()
    return LIGHT if hints is not None and hints.colorScheme() == Qt.ColorScheme.Light else DARK


def theme_named(name: ThemeName | str) -> Theme:
    """A theme by name; "system" follows the desktop."""
    return THEMES[name] if name in THEMES else system_theme()


def paint_corners(painter: QPainter, width: float, height: float, theme: Theme) -> None:
    """Rounds a painted view by painting the window's colour over its corners, and frames it.

    The corners are pictures, because a view is painted thirty times a second and antialiased paths are slow.
    """
    device = painter.device()
    corner = _corner(theme.window, theme.border, 1.0 if device is None else device.devicePixelRatioF())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QColor(theme.border))
    right, bottom, inset = round(width) - 1, round(height) - 1, RADIUS_PX
    painter.drawLine(inset, 0, right - inset, 0)
    painter.drawLine(inset, bottom, right - inset, bottom)
    painter.drawLine(0, inset, 0, bottom - inset)
    painter.drawLine(right, inset, right, bottom - inset)
    for x, y, piece in (
        (0, 0, 0),
        (right + 1 - inset, 0, 1),
        (0, bottom + 1 - inset, 2),
        (right + 1 - inset, bottom + 1 - inset, 3),
    ):
        painter.drawPixmap(x, y, corner[piece])


@lru_cache(maxsize=16)
def _corner(window: str, border: str, ratio: float) -> tuple[QPixmap, QPixmap, QPixmap, QPixmap]:
    """The four corners: upper left, upper right, lower left, lower right."""
    size = 2 * RADIUS_PX
    whole = QPixmap(round(size * ratio), round(size * ratio))
    whole.setDevicePixelRatio(ratio)
    whole.fill(Qt.GlobalColor.transparent)
    painter = QPainter(whole)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    outside = QPainterPath()
    outside.addRect(QRectF(-1.0, -1.0, size + 2.0, size + 2.0))
    inside = QPainterPath()
    inside.addRoundedRect(QRectF(0.0, 0.0, size, size), RADIUS_PX, RADIUS_PX)
    painter.fillPath(outside.subtracted(inside), QColor(window))
    painter.setPen(QColor(border))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(0.5, 0.5, size - 1.0, size - 1.0), RADIUS_PX, RADIUS_PX)
    painter.end()
    half = round(RADIUS_PX * ratio)

    def piece(x: int, y: int) -> QPixmap:
        return whole.copy(x, y, half, half)

    return piece(0, 0), piece(half, 0), piece(0, half), piece(half, half)
