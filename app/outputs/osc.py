"""Open Sound Control: one bundle of messages per frame, as music and show programs read them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from app.machine import product_version
from app.outputs.address import StreamAddress
from app.outputs.datagrams import DatagramSink
from app.pipeline.result_synchronizer import JoinedResult
from hand.model import HandModel
from hand.types import HandState

PREFIX: Final = "/handlive"

OSC_VERSION: Final = 2
"""Of the addresses and types; version 1 had the capture time as a double."""

_NS_PER_S = 1e9


def osc_sink(address: StreamAddress, model: HandModel) -> DatagramSink:
    """A stream of OSC bundles over UDP.

    Args:
        address: where to.
        model: right-hand model that poses and vertices refer to.
    """
    return DatagramSink(address, _FrameBundles().encode, about_bundle(model))


class _FrameBundles:
    """Frames of one stream; times count from its first frame."""

    def __init__(self) -> None:
        self._origin_ns: int | None = None

    def encode(self, joined: JoinedResult, mesh: bool) -> bytes:
        if self._origin_ns is None:
            self._origin_ns = joined.frame.capture_time_ns
        return frame_bundle(joined, mesh, self._origin_ns)


def frame_bundle(joined: JoinedResult, mesh: bool, origin_ns: int) -> bytes:
    """One frame as the bytes of a bundle.

    Args:
        joined: the frame and its output hands.
        mesh: with the vertices, as a blob of big-endian single-precision numbers, OSC's own byte order.
        origin_ns: the moment from which seconds count, on the clock of the frame.
    """
    frame = joined.frame
    # single precision, because common hosts read no double; after an hour it is still good for a quarter millisecond
    values = [frame.sequence, (frame.capture_time_ns - origin_ns) / _NS_PER_S, len(joined.outputs)]
    messages = [_message(f"{PREFIX}/frame", "ifi", values)]
    for output in joined.outputs:
        messages += _hand_messages(output.state, mesh)
    return _bundle(messages)


def about_bundle(model: HandModel) -> bytes:
    """Versions and the name of the hand model, as the bytes of a bundle."""
    values = [OSC_VERSION, product_version(), model.name, model.digest]
    return _bundle([_message(f"{PREFIX}/about", "isss", values)])


def _hand_messages(state: HandState, mesh: bool) -> list[OscMessage]:
    root = f"{PREFIX}/{state.side}"
    messages = [
        _message(f"{root}/confidence", "f", [float(state.confidence)]),
        _message(f"{root}/method", "s", [state.origin]),
        _numbers(f"{root}/joints", state.joints_m),
        _numbers(f"{root}/pose", state.pose_rad),
        _numbers(f"{root}/shape", state.shape),
        _numbers(f"{root}/translation", state.camera_translation_m),
    ]
    if mesh:
        messages.append(_message(f"{root}/vertices", "b", [np.ascontiguousarray(state.vertices_m, ">f4").tobytes()]))
    return messages


def _numbers(address: str, array: np.ndarray) -> OscMessage:
    values = np.asarray(array, float).ravel().tolist()
    return _message(address, "f" * len(values), values)


def _message(address: str, kinds: str, values: list[Any]) -> OscMessage:
    builder = OscMessageBuilder(address)
    for kind, value in zip(kinds, values, strict=True):
        builder.add_arg(value, kind)
    return builder.build()


def _bundle(messages: list[OscMessage]) -> bytes:
    builder = OscBundleBuilder(IMMEDIATELY)
    for message in messages:
        builder.add_content(message)
    return builder.build().dgram
