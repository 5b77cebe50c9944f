"""The network on a graphics card: one recorded graph per hand, one copy in, one copy out.

For processes that may hold torch; the app on a machine without a graphics card must not (see docs/architecture.md).
A :class:`CudaSession` takes the place of ONNX Runtime's session in :class:`inference.runtime.NetworkRuntime`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hand.errors import CheckpointError
from inference.pipe_protocol import unpack
from inference.runtime import INPUT_NAME, LANDMARKS_NAME, NetworkRuntime, read_metadata
from trainer.networks.hand_network import HandNetwork
from trainer.serving.torch_session import network_in_folder, packed

NO_CUDA_SENTENCE: Final = (
    "There is no graphics card that torch can use (CUDA); use the network with ONNX Runtime on the processor instead."
)

_WARM_UP_RUNS = 3


class CudaSession:
    """Runs a network in half precision; single crops by a graph that was recorded once. Serves one thread at a time.

    The graph holds everything between the two copies, and the copies themselves: launching its hundred small kernels
    one by one takes longer than running them.
    """

    def __init__(self, network: HandNetwork) -> None:
        """Moves a network to the graphics card, warms it up and records the graph.

        Args:
            network: trained; belongs to the session from now on.

        Raises:
            CheckpointError: there is no usable graphics card, or it has too little memory left.
        """
        if not torch.cuda.is_available():
            raise CheckpointError(NO_CUDA_SENTENCE)
        try:
            self._network = network.eval().to("cuda").to(memory_format=torch.channels_last)
            shapes = network.input_shapes()
            self._host_in = {name: torch.zeros(1, *shape).pin_memory() for name, shape in shapes.items()}
            self._in = {name: value.to("cuda") for name, value in self._host_in.items()}
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # the first runs allocate and choose kernels, which no graph may hold
                for _ in range(_WARM_UP_RUNS):
                    out = self._forward(self._in)
            torch.cuda.current_stream().wait_stream(stream)
            self._host_out = torch.zeros(out.shape).pin_memory()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                for name, value in self._in.items():
                    value.copy_(self._host_in[name], non_blocking=True)
                self._host_out.copy_(self._forward(self._in), non_blocking=True)
        except torch.cuda.OutOfMemoryError:
            raise CheckpointError(
                "The graphics card has too little memory left for the network; close what else uses it, or use the "
                "network on the processor."
            ) from None

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs for a batch, as ``onnxruntime.InferenceSession.run`` gives them."""
        if len(inputs[INPUT_NAME]) == 1:
            for name, value in self._host_in.items():
                np.copyto(value.numpy(), inputs[name])
            self._graph.replay()
            torch.cuda.current_stream().synchronize()
            parts = unpack(self._host_out.numpy())
        else:
            tensors = {name: torch.from_numpy(value).to("cuda") for name, value in inputs.items()}
            parts = unpack(self._forward(tensors).cpu().numpy())
        return [parts[name] for name in output_names]

    @torch.inference_mode()
    def _forward(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "B N"]:
        # without the cache, which would hand out weights that were cast while another graph was recorded
        with torch.autocast("cuda", torch.float16, cache_enabled=False):
            images = inputs[INPUT_NAME].contiguous(memory_format=torch.channels_last)
            return packed(self._network(images, inputs.get(LANDMARKS_NAME)))


def load_cuda_network(folder: Path) -> NetworkRuntime:
    """A network's folder on the graphics card; the twin of :func:`inference.runtime.load_network`.

    Raises:
        CheckpointError: the folder cannot be used, or there is no usable graphics card.
    """
    return NetworkRuntime(CudaSession(network_in_folder(folder)), read_metadata(folder))
