"""The embedded hand model: mesh topology, MANO's frame and tree, weights, regressor, and the shape directions."""

from collections import Counter

import numpy as np
import pytest

from hand.build.anthropometry import SHAPE_NAMES, VARIATIONS
from hand.embedded import load_embedded_model
from hand.joints import MANO_PARENTS, mano_joint_to_common
from hand.layer import HandLayer
from hand.model import HandModel

REST = np.zeros(48)


@pytest.fixture(scope="module")
def model() -> HandModel:
    return load_embedded_model()


@pytest.fixture(scope="module")
def layer(model: HandModel) -> HandLayer:
    return HandLayer(model, np.float64)


def test_model_of_each_side_is_loaded_once(model: HandModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form of the call returns the same object, without reading the file again."""
    monkeypatch.setattr("hand.embedded.load_hand_model", None)
    assert load_embedded_model("right") is load_embedded_model(side="right") is model
    left = load_embedded_model("left")
    assert left.side == "left"
    assert left is load_embedded_model("left")


def directed_edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def capped_volume(model: HandModel, vertices: np.ndarray) -> float:
    """Volume with the wrist closed by a fan; rim edges run the other way round in the fan."""
    edges = directed_edges(model.faces)
    known = {tuple(edge) for edge in edges.tolist()}
    rim = np.array([edge for edge in known if (edge[1], edge[0]) not in known])
    centre = len(vertices)
    fan = np.column_stack([rim[:, 1], rim[:, 0], np.full(len(rim), centre)])
    closed = np.vstack([vertices, vertices[rim].mean((0, 1))])
    return signed_volume(closed, np.vstack([model.faces, fan]))


def test_vertex_count_is_near_manos(model: HandModel) -> None:
    assert 700 <= model.vertex_count <= 3000
    assert set(np.unique(model.faces)) == set(range(model.vertex_count))


def test_mesh_is_manifold_and_consistently_wound(model: HandModel) -> None:
    edges = Counter(map(tuple, directed_edges(model.faces).tolist()))
    assert max(edges.values()) == 1, "two faces run along an edge in the same direction"
    undirected = Counter(tuple(sorted(edge)) for edge in edges)
    assert set(undirected.values()) <= {1, 2}


def test_the_only_opening_is_one_loop_at_the_wrist(model: HandModel) -> None:
    edges = {tuple(edge) for edge in directed_edges(model.faces).tolist()}
    rim = {a: b for a, b in edges if (b, a) not in edges}
    start = next(iter(rim))
    loop, vertex = [start], rim[start]
    while vertex != start:
        loop.append(vertex)
        vertex = rim[vertex]
    assert len(loop) == len(rim)
    # all of it proximal of the wrist joint, which in the rest frame is further along +x
    assert model.v_template_m[loop, 0].min() > 0.0957


def test_euler_characteristic_is_that_of_a_disc(model: HandModel) -> None:
    edges = {tuple(sorted(edge)) for edge in directed_edges(model.faces).tolist()}
    assert model.vertex_count - len(edges) + len(model.faces) == 1


def test_winding_is_outward_and_no_face_is_degenerate(model: HandModel) -> None:
    a, b, c = (model.v_template_m[model.faces[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    assert area.min() > 0.5e-6  # half a square millimetre
    # a man's hand displaces about 350-400 ml with some of the forearm
    assert 250e-6 < capped_volume(model, model.v_template_m) < 500e-6


def test_rest_frame_is_manos(model: HandModel, layer: HandLayer) -> None:
    joints = layer(REST, np.zeros(10)).joints_m
    np.testing.assert_allclose(joints[0], [0.0957, 0.0064, 0.0062], atol=2e-4)
    middle = joints[12] - joints[0]
    assert middle[0] < -0.15, "fingers along -x"
    assert abs(middle[1]) < 0.03
    assert abs(middle[2]) < 0.03
    assert joints[4, 2] > joints[8, 2] > joints[12, 2] > joints[16, 2] > joints[20, 2], "thumb side towards +z"
    # bending the fingers takes the tips to the palm side, -y
    bent = REST.copy().reshape(16, 3)
    assert model.joint_axes is not None
    bent[[1, 4, 7, 10]] = model.joint_axes[[1, 4, 7, 10], :, 0] * np.radians(60)
    assert (
        layer(bent.reshape(48), np.zeros(10)).joints_m[[8, 12, 16, 20], 1] < joints[[8, 12, 16, 20], 1] - 0.03
    ).all()


def test_finger_lengths_against_published_hands(layer: HandLayer) -> None:
    """Crease to tip, 50 men: index 170.6, middle 182.6, ring 172.2, little 144.1 mm (Najd Mazhar et al. 2009)."""
    joints = layer(REST, np.zeros(10)).joints_m
    from_joint = np.linalg.norm(joints[[8, 12, 16, 20]] - joints[0], axis=1) * 1000.0
    crease = 5.0  # the joint lies about that much proximal of the distal wrist crease
    np.testing.assert_allclose(from_joint - crease, [170.6, 182.6, 172.2, 144.1], rtol=0.04)


def test_tips_are_the_farthest_points_of_their_digits(model: HandModel) -> None:
    last_bone = {0: 15, 1: 3, 2: 6, 3: 12, 4: 9}
    for position, bone in last_bone.items():
        own = np.flatnonzero(model.skinning_weights.argmax(1) == bone)
        tip = model.tip_vertices[position]
        assert tip in own
        assert model.joint_axes is not None
        along = model.v_template_m @ model.joint_axes[bone][:, 2]
        assert along[own].max() - along[tip] < 1e-3


def test_skinning_weights_are_smooth_and_sparse(model: HandModel) -> None:
    weights = model.skinning_weights
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)
    assert (weights > 0).sum(1).max() <= 5
    # along any edge no weight jumps from nothing to nearly all
    edges = directed_edges(model.faces)
    assert np.abs(weights[edges[:, 0]] - weights[edges[:, 1]]).max() < 0.75


def test_joint_regressor_is_convex_local_and_follows_the_shape(model: HandModel, layer: HandLayer) -> None:
    regressor = model.joint_regressor
    assert regressor.min() >= 0.0
    np.testing.assert_allclose(regressor.sum(1), 1.0, atol=1e-6)
    assert ((regressor > 0).sum(1) < 61).all(), "a joint depends on vertices near it alone"
    shape = np.random.default_rng(2).normal(0.0, 1.0, 10)
    shaped_m = model.v_template_m + model.shape_directions_m @ shape
    order = [mano_joint_to_common()[joint] for joint in range(16)]
    np.testing.assert_allclose(layer(np.zeros(48), shape, np.zeros(3)).joints_m[order], regressor @ shaped_m, atol=1e-6)


def test_pose_directions_of_a_joint_stay_near_it(model: HandModel) -> None:
    joints = model.joint_regressor @ model.v_template_m
    strength = np.linalg.norm(model.pose_directions_m.reshape(model.vertex_count, 3, 15, 9), axis=(1, 3))
    for joint in range(1, 16):
        moved = strength[:, joint - 1] > 5e-4  # half a millimetre per unit of (R - I)
        assert moved.any()
        distance = np.linalg.norm(model.v_template_m[moved] - joints[joint], axis=1)
        assert distance.max() < (0.09 if joint == 13 else 0.07)


def test_pose_statistics_are_an_orthonormal_basis_round_a_relaxed_hand(model: HandModel) -> None:
    components = model.pose_components
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-6)
    mean = model.mean_pose_rad.reshape(15, 3)
    assert model.joint_axes is not None
    flexion = np.degrees(np.einsum("jk,jk->j", mean, model.joint_axes[1:, :, 0]))
    assert (flexion[:12] > 10).all()
    assert (flexion[:12] < 75).all()


def test_shape_names_are_the_proportions(model: HandModel) -> None:
    assert model.shape_names == SHAPE_NAMES
    assert set(VARIATIONS) == set(SHAPE_NAMES)
    assert len(SHAPE_NAMES) == 10


def measure(layer: HandLayer, shape: np.ndarray) -> dict[str, float]:
    """Distances as a tape measure gives them, in metres, and the volume in cubic metres."""
    geometry = layer(REST, shape)
    joints, vertices = geometry.joints_m, geometry.vertices_m
    length = np.linalg.norm
    wrist_rim = vertices[layer.model.v_template_m[:, 0] > 0.111]
    return {
        "hand": float(length(joints[12] - joints[0])),
        "index": float(length(np.diff(joints[[5, 6, 7, 8]], axis=0), axis=1).sum()),
        "ring": float(length(np.diff(joints[[13, 14, 15, 16]], axis=0), axis=1).sum()),
        "middle": float(length(np.diff(joints[[9, 10, 11, 12]], axis=0), axis=1).sum()),
        "thumb": float(length(np.diff(joints[[1, 2, 3, 4]], axis=0), axis=1).sum()),
        "palm": float(length(joints[9] - joints[0])),
        "knuckles": float(length(joints[5] - joints[17])),
        "wrist": float(np.ptp(wrist_rim[:, 2])),
        "depth": float(np.ptp(vertices[layer.model.skinning_weights[:, 0] > 0.9, 1])),
        "volume": capped_volume(layer.model, vertices),
    }


@pytest.mark.parametrize(
    ("name", "grows", "keeps"),
    [
        ("overall_size", {"hand": 1.0, "thumb": 1.0, "knuckles": 1.0, "wrist": 1.0}, ()),
        ("finger_length", {"middle": 1.0, "index": 1.0}, ("palm", "thumb", "knuckles", "wrist")),
        ("thumb_length", {"thumb": 1.0}, ("middle", "palm", "knuckles", "wrist")),
        ("palm_length", {"palm": 1.0}, ("middle", "thumb", "wrist")),
        ("palm_breadth", {"knuckles": 0.9}, ("middle", "thumb", "wrist")),
        ("finger_breadth", {}, ("middle", "palm", "thumb", "knuckles", "wrist")),
        ("thickness", {"depth": 0.7}, ("middle", "palm", "thumb", "knuckles")),
        ("thenar_fullness", {}, ("middle", "palm", "thumb", "knuckles", "wrist")),
        ("wrist_breadth", {"wrist": 0.8}, ("middle", "palm", "thumb", "knuckles")),
    ],
)
def test_shape_direction_changes_only_the_measures_it_is_named_after(
    layer: HandLayer, name: str, grows: dict[str, float], keeps: tuple[str, ...]
) -> None:
    shape = np.eye(10)[SHAPE_NAMES.index(name)]
    before, after = measure(layer, np.zeros(10)), measure(layer, shape)
    sigma = VARIATIONS[name].sigma
    assert after["volume"] > before["volume"] * (1.0 + 0.05 * sigma)
    for key, share in grows.items():
        assert after[key] / before[key] - 1.0 == pytest.approx(share * sigma, rel=0.25), key
    for key in keeps:
        assert after[key] / before[key] - 1.0 == pytest.approx(0.0, abs=0.15 * sigma), key


def test_index_ring_ratio_direction_changes_the_ratio_by_its_sigma(layer: HandLayer) -> None:
    before = measure(layer, np.zeros(10))
    after = measure(layer, np.eye(10)[SHAPE_NAMES.index("index_ring_ratio")])
    ratio = (after["index"] / after["ring"]) / (before["index"] / before["ring"])
    assert ratio - 1.0 == pytest.approx(VARIATIONS["index_ring_ratio"].sigma, rel=0.15)
    assert after["middle"] == pytest.approx(before["middle"], rel=0.002)


def test_shapes_within_two_sigma_stay_clean_meshes(model: HandModel, layer: HandLayer) -> None:
    """All single extremes and random mixes of ten: no face turns over, none collapses or blows up."""
    random = np.random.default_rng(7)
    shapes = [*(2.0 * np.eye(10)), *(-2.0 * np.eye(10)), *random.uniform(-2.0, 2.0, (40, 10))]
    faces = model.faces

    def normals(vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    rest = normals(model.v_template_m)
    for shape in shapes:
        shaped = normals(layer(REST, shape).vertices_m)
        cosine = (rest * shaped).sum(1) / np.linalg.norm(rest, axis=1) / np.linalg.norm(shaped, axis=1)
        ratio = np.linalg.norm(shaped, axis=1) / np.linalg.norm(rest, axis=1)
        assert cosine.min() > 0.3
        assert ratio.min() > 0.1
        assert ratio.max() < 3.0


def test_kinematic_tree_in_the_file_is_manos() -> None:
    from hand.embedded import EMBEDDED_MODEL_FILE

    with np.load(EMBEDDED_MODEL_FILE, allow_pickle=False) as stored:
        table = stored["kintree_table"]
        assert table.dtype == np.uint32
        assert table.shape == (2, 16)
        assert table[0, 0] == 2**32 - 1
        assert tuple(table[0, 1:].tolist()) == MANO_PARENTS[1:]
        assert table[1].tolist() == list(range(16))


def test_the_left_hand_is_the_mirror_image(model: HandModel, layer: HandLayer) -> None:
    left = HandLayer(load_embedded_model("left"), np.float64)
    random = np.random.default_rng(3)
    pose, shape = random.normal(0.0, 0.3, 48), random.normal(0.0, 1.0, 10)
    mirrored = (pose.reshape(16, 3) * [1.0, -1.0, -1.0]).reshape(48)
    np.testing.assert_allclose(
        left(mirrored, shape).vertices_m, layer(pose, shape).vertices_m * [-1.0, 1.0, 1.0], atol=1e-7
    )
