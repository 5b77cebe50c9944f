"""Tools that keep or inspect the moment on the screen."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QMenu

from app.optional_parts.parts import OPEN3D
from app.snapshot.mesh_files import MESH_SUFFIXES, show_meshes
from app.snapshot.snapshot import meshes_of, save_snapshot
from app.ui.extension_host import ExtensionHost
from app.ui.install_card import InstallDialog
from app.ui.part_installer import PartInstaller
from app.ui.widgets.background_task import BackgroundTasks
from app.user_dirs import snapshot_folder

_NAMES = {".glb": "GLB", ".obj": "OBJ", ".ply": "PLY"}

NOTHING_SENTENCE = "There is no picture to keep yet; choose a source first."
NO_HAND_SENTENCE = "There is no hand to inspect; show one first."


class SnapshotTool(QObject):
    """Saves or inspects the result on the screen."""

    def __init__(self, host: ExtensionHost, folder: Path | None = None) -> None:
        """Adds its actions.

        Args:
            host: where.
            folder: for snapshots; a folder in the user's pictures when left out.
        """
        super().__init__(host.parent_widget)
        self._host = host
        self._folder = folder or snapshot_folder()
        self._inspections: list[subprocess.Popen[bytes]] = []
        self.installer = PartInstaller(OPEN3D, self)
        self._install_dialog: InstallDialog | None = None
        self._background = BackgroundTasks(host.parent_widget, host.notify)
        host.closed.connect(self._background.wait)
        host.closing.connect(self.installer.close)
        host.add_tool(
            "Save a snapshot",
            self.save,
            shortcut="Ctrl+S",
            help_text=f"Keep picture, meshes and numbers of this moment in {self._folder}",
        )
        self._formats = self._add_formats()
        host.add_tool(
            "Inspect the mesh…",
            self.inspect,
            shortcut="Ctrl+I",
            help_text="Open this moment's meshes in a window of their own, to turn and measure them",
        )

    @property
    def mesh_suffix(self) -> str:
        """Format of a snapshot's meshes, one of ``MESH_SUFFIXES``."""
        chosen = self._formats.checkedAction()
        return MESH_SUFFIXES[0] if chosen is None else str(chosen.data())

    def choose_mesh_suffix(self, suffix: str) -> None:
        """Checks a format in the menu, one of ``MESH_SUFFIXES``."""
        for action in self._formats.actions():
            action.setChecked(action.data() == suffix)

    def save(self) -> None:
        """Keeps the moment on the screen."""
        joined, model = self._host.joined, self._host.options.model
        if joined is None:
            self._host.notify(NOTHING_SENTENCE)
            return

        suffix, folder = self.mesh_suffix, self._folder

        def work() -> str:
            files = save_snapshot(joined, model, folder, mesh_suffix=suffix)
            return f"Snapshot kept as {files.picture} with {len(files.meshes)} meshes ({_NAMES[suffix]})."

        self._background.start("snapshot", work, self._host.notify)

    def _add_formats(self) -> QActionGroup:
        """Below the tool that saves: which format its meshes have."""
        menu = QMenu("Meshes of snapshots", self._host.parent_widget)
        formats = QActionGroup(menu)
        for suffix in MESH_SUFFIXES:
            action = QAction(_NAMES[suffix], formats)
            action.setCheckable(True)
            action.setData(suffix)
            menu.addAction(action)
        formats.actions()[0].setChecked(True)
        self._host.add_submenu(menu)
        return formats

    def inspect(self) -> None:
        """Shows the output hands in 3D, outside the window."""
        joined = self._host.joined
        meshes = {} if joined is None else meshes_of(joined, self._host.options.model)
        shown = {name: mesh for name, mesh in meshes.items() if name.startswith("output")} or meshes
        if not shown:
            self._host.notify(NO_HAND_SENTENCE)
            return
        if not OPEN3D.is_installed():
            self._offer_open3d()
            return

        inspections = self._inspections
        inspections[:] = [process for process in inspections if process.poll() is None]

        def work() -> str:
            inspections.append(show_meshes(shown, "handlive: mesh"))
            return "The inspection window opens in a few seconds."

        self._background.start("inspection", work, self._host.notify)

    def _offer_open3d(self) -> None:
        """Opens the dialog that installs it; the same one again while that goes on."""
        if self._install_dialog is None:
            self._install_dialog = InstallDialog(
                self.installer, "Inspecting a mesh needs the mesh part", self._host.parent_widget
            )
            self.installer.installed.connect(self.inspect)
        self._install_dialog.show()
        self._install_dialog.raise_()


def install_snapshots(host: ExtensionHost) -> None:
    """Adds snapshots and the inspection window."""
    tool = SnapshotTool(host)
    host.keep_state("mesh_suffix", lambda: tool.mesh_suffix, tool.choose_mesh_suffix)
