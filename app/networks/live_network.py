"""The network that is live: read by the path between two frames, swapped by the window, with the one before kept."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from app.networks.device import DeviceChoice, chosen_device, why_card_is_unused
from app.networks.gpu_session import GpuSession
from app.networks.vetting import NetworkVetting
from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.errors import CheckpointError
from inference.runtime import CropPrediction, NetworkRuntime, load_network, read_metadata

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """A network that is ready to run.

    Attributes:
        folder: where it came from.
        runtime: the network itself, already tried on a crop.
        card: session on the graphics card; None where the processor runs it.
        warning: why the processor runs it, where the card should have; else empty.
    """

    folder: Path
    runtime: NetworkRuntime
    card: GpuSession | None = None
    warning: str = ""

    @property
    def name(self) -> str:
        return str(self.runtime.metadata.get("name") or self.folder.name)

    @property
    def note(self) -> str:
        """One sentence when it does not run where it should, else empty."""
        return self.warning or ("" if self.card is None else self.card.note)

    @property
    def runs_on(self) -> str:
        """The processor or card that runs it, as the window names it."""
        if self.card is None or self.card.note:
            return "processor (ONNX Runtime)"
        return self.card.device_name

    def close(self) -> None:
        """Frees the graphics card."""
        if self.card is not None:
            self.card.close()


class LiveNetwork:
    """Holds one network at a time; a swap changes one reference, so no thread waits for it.

    Loading happens in the caller's thread before the swap, and a prediction in progress finishes with the old network.
    """

    def __init__(self, folder: Path, device: DeviceChoice = "cpu") -> None:
        """Stores which network to begin with; it is loaded at its first use.

        Args:
            folder: of an exported network.
            device: what it and those that follow it run on.
        """
        self.device: DeviceChoice = device
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._folder = folder
        self._current: LoadedNetwork | None = None
        self._previous: LoadedNetwork | None = None
        self._vetting = NetworkVetting()

    @property
    def folder(self) -> Path:
        """Of the live network; before one was loaded, of the one that will be."""
        with self._lock:
            return self._current.folder if self._current else self._folder

    @property
    def previous(self) -> LoadedNetwork | None:
        """What :meth:`revert` goes back to."""
        with self._lock:
            return self._previous

    @property
    def note(self) -> str:
        """One sentence when the live network does not run where it should, else empty."""
        with self._lock:
            return self._current.note if self._current else ""

    @property
    def runs_on(self) -> str:
        """What runs the live network, for people."""
        with self._lock:
            return self._current.runs_on if self._current else "not loaded yet"

    @property
    def runtime(self) -> NetworkRuntime:
        """The live network itself.

        Raises:
            CheckpointError: it was not loaded yet, and cannot be.
        """
        return self.current().runtime

    @property
    def input_px(self) -> int:
        """Side of the live network's crops."""
        return self.runtime.input_px

    @property
    def crop_expansion(self) -> float:
        """Side of the live network's crops over the longer side of the hand's box."""
        return self.runtime.crop_expansion

    @property
    def upright(self) -> bool:
        """Whether the live network's crops are turned so that hands stand upright in them."""
        return self.runtime.upright

    def presences(self, images: Float[np.ndarray, "B 3 S S"]) -> Float[np.ndarray, " B"]:
        """See :meth:`inference.runtime.NetworkRuntime.presences`, of the live network."""
        return self.runtime.presences(images)

    def predict(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        crop: SquareCrop,
        intrinsics: Intrinsics,
    ) -> CropPrediction:
        """See :meth:`inference.runtime.NetworkRuntime.predict`, of the live network."""
        return self.runtime.predict(image_rgb, crop, intrinsics)

    def current(self) -> LoadedNetwork:
        """The live network.

        Raises:
            CheckpointError: it was not loaded yet, and cannot be.
        """
        with self._lock:
            current = self._current
        return self._first() if current is None else current

    def _first(self) -> LoadedNetwork:
        # not under the other lock: a graphics card takes seconds, and the window reads names meanwhile
        with self._loading:
            with self._lock:
                if self._current is not None:
                    return self._current
            loaded = load_candidate(self._folder, self.device, self._vetting)
            with self._lock:
                if self._current is None:
                    self._current = loaded
                current = self._current
            if current is not loaded:  # another one was swapped in while it was loaded
                loaded.close()
            return current

    def break_off_loading(self) -> None:
        """Ends a trial of the network that is under way; a closing program does not wait for it."""
        self._vetting.break_off()

    def swap(self, network: LoadedNetwork) -> None:
        """Makes a network live from the next frame on."""
        with self._lock:
            forgotten, self._previous, self._current = self._previous, self._current, network
        if forgotten is not None and forgotten is not network:
            forgotten.close()

    def revert(self) -> LoadedNetwork | None:
        """Goes back to the network before, which in turn can be gone back from; None where there was none."""
        with self._lock:
            if self._previous is None:
                return None
            self._previous, self._current = self._current, self._previous
            return self._current


def load_candidate(folder: Path, device: DeviceChoice = "cpu", vetting: NetworkVetting | None = None) -> LoadedNetwork:
    """Loads a network and runs it once, so that its first live frame is no slower than the others.

    Args:
        folder: of an exported network.
        device: requested for it; where that fails, the processor runs it, and ``warning`` gives the reason.
        vetting: runs the trial, and can be aborted; a new one when None.

    Raises:
        CheckpointError: missing, damaged, of another schema, too greedy for a trial, or its output is not finite.
    """
    (vetting or NetworkVetting()).vet(folder)
    chosen = chosen_device(device)
    if chosen == "cpu":
        return LoadedNetwork(folder, load_network(folder))
    unused = why_card_is_unused(device)
    if unused:
        return LoadedNetwork(
            folder, load_network(folder), warning=f"{unused} The processor runs the network meanwhile."
        )
    metadata = read_metadata(folder)
    try:
        card = GpuSession(folder, chosen, metadata)
    except CheckpointError as problem:
        warning = f"{problem} The processor runs the network meanwhile."
        logger.warning(warning)
        return LoadedNetwork(folder, load_network(folder), warning=warning)
    return LoadedNetwork(folder, NetworkRuntime(card, metadata), card)
