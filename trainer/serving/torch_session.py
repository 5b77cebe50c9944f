"""The network under torch, kernel by kernel: for graphics hardware that records no graphs, and to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from inference.pipe_protocol import unpack
from inference.runtime import INPUT_NAME, LANDMARKS_NAME, OUTPUT_NAMES, WEIGHTS_FILE
from trainer.networks.building import trained_network
from trainer.networks.hand_network import HandNetwork
from trainer.networks.output import NetworkOutput
from trainer.recipe.config import exported_layout


def packed(output: NetworkOutput) -> Float[Tensor, "B N"]:
    """Everything that leaves the network in one float32 array, as :func:`inference.pipe_protocol.pack` does.

    On its device, so that it leaves that one in one copy.
    """
    batch = len(output.shape)
    return torch.cat([getattr(output, name).float().reshape(batch, -1) for name in OUTPUT_NAMES], 1)


class TorchSession:
    """Runs a network on a torch device; takes the place of ONNX Runtime's session in :class:`NetworkRuntime`."""

    def __init__(self, network: HandNetwork, device: str) -> None:
        """Moves a network to a device and tries it.

        Args:
            network: trained; belongs to the session from now on.
            device: torch's name of it: "mps" or "cpu".

        Raises:
            CheckpointError: torch cannot use that device here.
        """
        self._device = device
        try:
            self._network = network.eval().to(device)
            self._forward({name: np.zeros((1, *shape), np.float32) for name, shape in network.input_shapes().items()})
        except (RuntimeError, AssertionError, NotImplementedError) as problem:
            cause = (str(problem) or type(problem).__name__).splitlines()[0]
            raise CheckpointError(
                f"torch cannot run the network on the device {device!r} ({cause}); use the network on the processor."
            ) from None

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The named outputs for a batch, as ``onnxruntime.InferenceSession.run`` gives them."""
        parts = unpack(self._forward(inputs))
        return [parts[name] for name in output_names]

    @torch.inference_mode()
    def _forward(self, inputs: Mapping[str, np.ndarray]) -> Float[np.ndarray, "B N"]:
        tensors = {name: torch.tensor(value).to(self._device) for name, value in inputs.items()}
        answer = self._network(tensors[INPUT_NAME], tensors.get(LANDMARKS_NAME))
        answers: np.ndarray = packed(answer).cpu().numpy()
        return answers


def network_in_folder(folder: Path) -> HandNetwork:
    """An exported network as a torch module.

    Raises:
        CheckpointError: the folder or its weights cannot be used.
    """
    return trained_network(exported_layout(folder), load_embedded_model(), folder / WEIGHTS_FILE)
