"""Whether the numbers of a network's metadata can be meant: a file that a stranger shares may say anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

INPUT_PX: Final = (32, 1024)
CROP_EXPANSION: Final = (1.0, 8.0)
LARGEST_CURVE: Final = 1e3
"""Of the confidence's logistic curve: offset and slope in units of log error, where single figures are usual."""

MOST_INPUTS: Final = 8
MOST_OUTPUTS: Final = 32
LONGEST_NAME: Final = 200


def problem_of_metadata(metadata: Mapping[str, Any]) -> str:
    """What cannot be meant, as the end of a sentence "should ..., it has ..."; empty where all can.

    Args:
        metadata: content of a network.json that has every key.
    """
    network, curve = metadata["network"], metadata["confidence"]
    if not isinstance(network, dict):
        return f"describe the network by an object, it has {_shown(network)}"
    side = network.get("input_px")
    if type(side) is not int or not INPUT_PX[0] <= side <= INPUT_PX[1]:
        return f"have an input_px of {INPUT_PX[0]} to {INPUT_PX[1]} pixels, it has {_shown(side)}"
    if not isinstance(network.get("upright", False), bool):
        return f"say upright as true or false, it has {_shown(network['upright'])}"
    expansion = metadata["crop_expansion"]
    if not _is_number(expansion) or not CROP_EXPANSION[0] <= expansion <= CROP_EXPANSION[1]:
        return f"have a crop_expansion of {CROP_EXPANSION[0]:g} to {CROP_EXPANSION[1]:g}, it has {_shown(expansion)}"
    if not isinstance(curve, dict):
        return f"give the confidence by an object, it has {_shown(curve)}"
    for name in ("offset", "slope"):
        if not _is_number(curve.get(name)) or abs(curve[name]) > LARGEST_CURVE:
            return f"have a confidence {name} within {LARGEST_CURVE:g}, it has {_shown(curve.get(name))}"
    if not isinstance(metadata["hand_model_digest"], str):
        return f"name the hand model's digest by a text, it has {_shown(metadata['hand_model_digest'])}"
    inputs, outputs = metadata.get("inputs", {}), metadata.get("outputs", [])
    if not isinstance(inputs, dict) or not 0 <= len(inputs) <= MOST_INPUTS:
        return f"name its inputs with their sizes, it has {_shown(inputs)}"
    for side in inputs.values():
        if type(side) is not int or not INPUT_PX[0] <= side <= INPUT_PX[1]:
            return f"have inputs of {INPUT_PX[0]} to {INPUT_PX[1]} pixels, it has {_shown(inputs)}"
    if not isinstance(outputs, list) or len(outputs) > MOST_OUTPUTS or not all(isinstance(one, str) for one in outputs):
        return f"list the names of its outputs, it has {_shown(outputs)}"
    name = metadata.get("name", "")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return f"have a name of at most {LONGEST_NAME} letters, it has {_shown(name)}"
    return ""


def _is_number(value: object) -> bool:
    # an int may be larger than any float
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < 1 << 53)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
