"""The model's card: what it is, where its figures come from, how good it is; written by the build beside the model."""

# ruff: noqa: E501 (rows of a Markdown table cannot be broken)

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from hand.build.anthropometry import SHAPE_NAMES, VARIATIONS
from hand.build.assemble import BuiltModel
from hand.build.crossings import CrossingDetector
from hand.layer import HandLayer
from hand.model import HandModel
from hand.poses import NAMED_POSES, named_pose

_TEXT = """# Embedded hand model: {name}

A right hand in MANO's structure, made by `python -m hand.build` from measures of the human hand and from nothing else: no
scan, no picture, no file of MANO went into it. The left hand is its mirror image. It may be used and passed on under
the licence of this repository.

| | |
|---|---|
| file | `embedded_right.npz`, sha256 `{sha256}` |
| vertices, triangles | {vertices}, {triangles}; closed apart from one loop at the wrist |
| joints | 16 in MANO's order, rest frame as MANO's, metres |
| size at rest | wrist joint to middle finger tip {length_mm:.1f} mm, knuckles of index to little finger {knuckles_mm:.1f} mm apart |
| joint regressor | non-negative, rows sum to 1; joint error over 200 random shapes within 2 sigma: mean {joint_mean_mm:.2f}, largest {joint_max_mm:.2f} mm |
| faces that fold over | in {fold_inside:.1%} of 1000 mixes drawn evenly within 2 sigma; in {fold_corners:.1%} of 1000 with all ten at plus or minus 2 sigma (small faces in the webs) |
| blend weights | at most {joints_per_vertex} joints a vertex |
| deepest crossing in the {pose_count} named poses | {crossing_mm:.2f} mm ({crossing_pose}); up to 1 mm counts as soft contact |

888 vertices because that is MANO's density: the same cost in the layer and the solver, edge loops where fingers bend. For display
`hand.tessellation` rounds it; `contact_sheet.png` shows the named poses that way.

## Contents

MANO's keys `v_template, shapedirs, posedirs, J_regressor, weights, kintree_table, f, hands_mean, hands_components`, and:

- `tip_vertices`: finger tips, thumb to little finger;
- `shape_names`: the names below;
- `joint_axes`: 16 x 3 x 3, columns (flexion, abduction, twist) of each joint in the rest frame; see `hand/anatomy.py`;
- `side`, `name`.

Triangles 2 i and 2 i + 1 of `f` are the halves of quad i. `hands_mean` is a loosely bent hand, `hands_components` the PCA basis of 4000
poses drawn as blends of the named poses with noise, within the joint limits: not recorded human movement.

## Shape coefficients

One unit is one standard deviation among adults. Each acts on its own measure alone, so a person is a mixture of them. The
overall size goes first; the others are relative to it.

| k | name | one unit | what grows | where the figure comes from |
|---|---|---|---|---|
{shape_rows}

## Sources

Read while this was written: Najd Mazhar et al. 2009 (wrist crease to finger tips, 100 adults); Chatzioglou et al. 2024 (finger lengths,
51 adults; abstract); hand breadths of British adults as reproduced by City University of Hong Kong; the 2D:4D table of the University of
Granada; ranges of motion on e-hand.com. Second-hand: Buchholz et al. 1992, through public code. From memory and not verified: the
pattern of phalanx lengths after Buryanov and Kotiuk 2010. Our own choice, judged by eye: breadths, depths, positions in the palm,
everything soft, and the spreads marked so above.

## Limits

One reference hand; no nails, creases or veins in the geometry; no sex, age or body-mass model behind the coefficients; all ten of them at two
sigma against each other squeeze the webs. Pose correctives are fitted joint by joint, so two neighbouring joints that bend
together add their corrections. The palm does not fold: MANO's structure has no joints in it.
"""


def model_card(built: BuiltModel, model: HandModel, sha256: str) -> str:
    """The card's text with the figures of this very model.

    Args:
        built: the model as it left the build.
        model: the same, as the product loads it.
        sha256: digest of the file.
    """
    layer = HandLayer(model, np.float64)
    joints = layer(np.zeros(48), np.zeros(10)).joints_m * 1000.0
    errors_mm = _regressor_errors_mm(built)
    crossings = _deepest_crossings(model, layer)
    worst = max(crossings, key=lambda name: crossings[name])
    return _TEXT.format(
        name=model.name,
        sha256=sha256,
        vertices=model.vertex_count,
        triangles=len(model.faces),
        length_mm=np.linalg.norm(joints[12] - joints[0]),
        knuckles_mm=np.linalg.norm(joints[5] - joints[17]),
        joint_mean_mm=errors_mm.mean(),
        joint_max_mm=errors_mm.max(),
        fold_inside=_folded_share(built, np.random.default_rng(0).uniform(-2.0, 2.0, (1000, 10))),
        fold_corners=_folded_share(built, np.random.default_rng(0).choice([-2.0, 2.0], (1000, 10))),
        joints_per_vertex=int((model.skinning_weights > 0).sum(1).max()),
        pose_count=len(crossings),
        crossing_mm=crossings[worst],
        crossing_pose=worst,
        shape_rows="\n".join(_shape_row(k, name) for k, name in enumerate(SHAPE_NAMES)),
    )


def _shape_row(k: int, name: str) -> str:
    variation = VARIATIONS[name]
    return f"| {k} | {name} | {variation.sigma:.1%} | {variation.meaning} | {variation.source} |"


def _regressor_errors_mm(built: BuiltModel) -> Float[np.ndarray, "s 16"]:
    """Regressed joints against the skeleton's own, over shapes within two sigma."""
    shapes = np.random.default_rng(0).uniform(-2.0, 2.0, (200, len(SHAPE_NAMES)))
    vertices = built.v_template + np.einsum("ndk,sk->snd", built.shapedirs, shapes)
    joints = built.joints + np.einsum("jdk,sk->sjd", built.joint_directions, shapes)
    errors = np.einsum("jn,snd->sjd", built.joint_regressor, vertices) - joints
    return np.linalg.norm(errors, axis=2) * 1000.0


def _folded_share(built: BuiltModel, shapes: Float[np.ndarray, "s 10"]) -> float:
    """Share of the shapes in which any face's normal points away from its normal in the template."""
    reference = _face_normals(built.v_template, built)
    folded = 0
    for shape in shapes:
        normals = _face_normals(built.v_template + built.shapedirs @ shape, built)
        folded += bool(((normals * reference).sum(1) < 0.0).any())
    return folded / len(shapes)


def _face_normals(vertices: Float[np.ndarray, "n 3"], built: BuiltModel) -> Float[np.ndarray, "t 3"]:
    a, b, c = (vertices[built.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def _deepest_crossings(model: HandModel, layer: HandLayer) -> dict[str, float]:
    """Depth in mm of the deepest crossing of each named pose."""
    assert model.joint_axes is not None
    detector = CrossingDetector(model)
    axes = model.joint_axes
    return {name: detector.deepest_mm(layer(named_pose(name, axes), np.zeros(10)).vertices_m) for name in NAMED_POSES}
