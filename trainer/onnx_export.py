"""A network as an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from inference.runtime import BATCH_NAME


def write_onnx_model(
    network: nn.Module,
    inputs: Mapping[str, tuple[int, ...]],
    target: Path,
    outputs: Sequence[str],
    *,
    weights_as_they_are: bool = False,
) -> None:
    """Writes a network that takes a batch of any size.

    Args:
        network: in evaluation mode, on the CPU; gives a tensor, or a tuple of as many as there are outputs.
        inputs: names of what it takes, in its order, and the shape of one of a batch.
        target: the file.
        outputs: names of what it gives.
        weights_as_they_are: leave it to the engine to fold batch normalisation into convolutions, so that weights that
            were rounded to half precision stay so.
    """
    mode = torch.onnx.TrainingMode.PRESERVE if weights_as_they_are else torch.onnx.TrainingMode.EVAL
    example = tuple(torch.zeros(1, *shape) for shape in inputs.values())
    # the newer exporter needs onnxscript, with releases that do not fit each other; sizes are constants on purpose
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            example,
            str(target),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: BATCH_NAME} for name in (*inputs, *outputs)},
            opset_version=17,
            training=mode,
            dynamo=False,
        )
