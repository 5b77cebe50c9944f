"""Hand models from files: MANO's own pickles (through an allow-list) and .npz archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hand.errors import ModelFileError
from hand.model import HandModel, check_kinematic_tree


def load_hand_model(path: Path) -> HandModel:
    """Reads a MANO-format hand model.

    Args:
        path: a MANO_RIGHT.pkl or MANO_LEFT.pkl as downloaded, or an .npz with the same keys.

    Raises:
        ModelFileError: missing, damaged, or not a MANO-format hand; the message names the field.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no hand model at {path}; give the path of a MANO .pkl or .npz file.")
    with np.load(path, allow_pickle=False) as archive:
        fields = dict(archive)
    check_kinematic_tree(path.name, fields["kintree_table"][0])
    return HandModel(
        name=str(fields["name"]),
        side="left" if str(fields["side"]) == "left" else "right",
        v_template_m=fields["v_template"],
        shape_directions_m=fields["shapedirs"],
        pose_directions_m=fields["posedirs"],
        joint_regressor=fields["J_regressor"],
        skinning_weights=fields["weights"],
        faces=fields["f"].astype(np.int32),
        mean_pose_rad=fields["hands_mean"],
        pose_components=fields["hands_components"],
        tip_vertices=tuple(int(tip) for tip in fields["tip_vertices"]),  # type: ignore[arg-type]
        shape_names=tuple(str(text) for text in fields["shape_names"]),
        joint_axes=fields.get("joint_axes"),
    )
