"""A session of both paths as files: a table with one row per second, and a summary."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from app.machine import describe_machine, product_version
from app.pipeline.metrics.comparison import Comparison
from hand.atomic_file import write_json_atomically, write_text_atomically
from hand.finite import rounded_or_none
from hand.joints import JOINT_NAMES
from hand.types import PATH_IDS

SCHEMA = 1


def summarize(comparison: Comparison, source: str) -> dict[str, Any]:
    """The session in numbers, as plain values; what was not measured is None.

    Args:
        comparison: what was collected.
        source: where the pictures came from.
    """
    rows = comparison.rows()
    joints = comparison.session_joints_mm()
    from_output = comparison.session_from_output_mm()
    return {
        "schema": SCHEMA,
        "version": product_version(),
        "source": source,
        "seconds": len(rows),
        "paths": {path_id: _path(rows, path_id) for path_id in PATH_IDS},
        "compared_frames": int(_sum(rows, "compared_frames")),
        "disagreement_mm": _spread(rows, "disagreement_mm", "compared_frames"),
        "placement_mm": _spread(rows, "placement_mm", "compared_frames"),
        "joints_mm": {name: rounded_or_none(float(value)) for name, value in zip(JOINT_NAMES, joints, strict=True)},
        "output": {
            "network_frames": int(_sum(rows, "output_network_frames")),
            "ik_frames": int(_sum(rows, "output_ik_frames")),
            "fused_frames": int(_sum(rows, "output_fused_frames")),
            "frames_without_hand": int(_sum(rows, "output_none_frames")),
            "changes": int(_sum(rows, "output_changes")),
            **{
                name: _spread(rows, f"output_{name}", "output_frames")
                for name in ("confidence", "reprojection_px", "jitter_mm")
            },
        },
        "from_output_mm": {
            path_id: {name: rounded_or_none(float(value)) for name, value in zip(JOINT_NAMES, values, strict=True)}
            for path_id, values in from_output.items()
        },
        "machine": describe_machine(),
    }


def save_summary(comparison: Comparison, source: str, stem: Path) -> tuple[Path, Path]:
    """Writes the table and the summary beside each other.

    Args:
        comparison: what was collected.
        source: where the pictures came from.
        stem: path without suffix.

    Returns:
        The .csv and the .json file.

    Raises:
        OSError: they cannot be written.
    """
    table, summary = stem.with_name(stem.name + ".csv"), stem.with_name(stem.name + ".json")
    rows = comparison.rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["second"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_text_atomically(table, text.getvalue())
    write_json_atomically(summary, summarize(comparison, source))
    return table, summary


def _path(rows: list[dict[str, float]], path_id: str) -> dict[str, Any]:
    frames = f"{path_id}_frames"
    whole = rows[1:-1]  # the first and the last second are broken ones
    return {
        "frames": int(_sum(rows, frames)),
        "frames_per_second": rounded_or_none(float(np.median([row[frames] for row in whole])) if whole else math.nan),
        **{
            name: _spread(rows, f"{path_id}_{name}", frames)
            for name in ("work_ms", "confidence", "reprojection_px", "jitter_mm")
        },
    }


def _spread(rows: list[dict[str, float]], name: str, weight: str) -> dict[str, float | None]:
    """Mean over frames, and the lowest and highest second."""
    kept = [(row[name], row[weight]) for row in rows if math.isfinite(row[name]) and row[weight] > 0]
    if not kept:
        return {"mean": None, "lowest_second": None, "highest_second": None}
    values, weights = zip(*kept, strict=True)
    return {
        "mean": rounded_or_none(float(np.average(values, weights=weights))),
        "lowest_second": rounded_or_none(min(values)),
        "highest_second": rounded_or_none(max(values)),
    }


def _sum(rows: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in rows)


def _cell(value: float) -> float | str:
    return round(value, 4) if math.isfinite(value) else ""
