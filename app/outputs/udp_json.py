"""JSON in UDP datagrams, the easiest stream to receive from any language."""

from __future__ import annotations

from app.outputs.address import StreamAddress
from app.outputs.datagrams import DatagramSink
from app.outputs.messages import about_message, encode, hands_message
from app.pipeline.result_synchronizer import JoinedResult
from hand.model import HandModel


def udp_json_sink(address: StreamAddress, model: HandModel) -> DatagramSink:
    """A stream of JSON datagrams.

    Args:
        address: where to.
        model: right-hand model that poses and vertices refer to.
    """
    return DatagramSink(address, _encode_frame, encode(about_message(model, mesh=address.mesh)))


def _encode_frame(joined: JoinedResult, mesh: bool) -> bytes:
    return encode(hands_message(joined, mesh=mesh))
