"""The joint order tables against the joint names."""

from __future__ import annotations

import numpy as np

from hand.joints import (
    BONES,
    FINGERS,
    FROM_MANO_WITH_TIPS,
    JOINT_NAMES,
    MANO_JOINT_NAMES,
    MANO_PARENTS,
    TIP_JOINTS,
    TIP_VERTICES,
    TO_MANO_WITH_TIPS,
    from_mano_order,
    mano_joint_to_common,
    to_mano_order,
)

_PLACE_IN_FINGER = {
    "thumb": ("cmc", "mcp", "ip", "tip"),
    **dict.fromkeys(("index", "middle", "ring", "pinky"), ("mcp", "pip", "dip", "tip")),
}


def test_mano_order_has_pinky_before_ring() -> None:
    assert MANO_JOINT_NAMES[7:10] == ("pinky1", "pinky2", "pinky3")
    assert MANO_JOINT_NAMES[10:13] == ("ring1", "ring2", "ring3")
    assert MANO_JOINT_NAMES[13:] == ("thumb1", "thumb2", "thumb3")
    assert len(MANO_JOINT_NAMES) == 16


def test_the_reordering_agrees_with_the_names() -> None:
    with_tips = [*MANO_JOINT_NAMES, *(f"{finger}4" for finger in FINGERS)]
    for common, mano in enumerate(FROM_MANO_WITH_TIPS):
        if common == 0:
            assert with_tips[mano] == "wrist"
            continue
        finger, place = JOINT_NAMES[common].split("_")
        assert with_tips[mano] == f"{finger}{_PLACE_IN_FINGER[finger].index(place) + 1}"


def test_the_reordering_is_the_published_one() -> None:
    published = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
    assert published == FROM_MANO_WITH_TIPS
    assert sorted(FROM_MANO_WITH_TIPS) == list(range(21))


def test_the_two_reorderings_undo_each_other() -> None:
    joints = np.random.default_rng(0).normal(size=(2, 21, 3))
    np.testing.assert_array_equal(to_mano_order(from_mano_order(joints)), joints)
    np.testing.assert_array_equal(from_mano_order(to_mano_order(joints)), joints)
    np.testing.assert_array_equal(to_mano_order(joints)[:, :16], joints[:, mano_joint_to_common()])
    assert TO_MANO_WITH_TIPS[16:] == TIP_JOINTS


def test_bones_follow_the_kinematic_tree() -> None:
    common = mano_joint_to_common()
    assert len(BONES) == 20
    for joint, parent in enumerate(MANO_PARENTS):
        if parent >= 0:
            assert (common[parent], common[joint]) in BONES
    for tip in TIP_JOINTS:
        assert (tip - 1, tip) in BONES


def test_tip_vertices_are_vertices_of_manos_mesh() -> None:
    for source, tips in TIP_VERTICES.items():
        assert len(set(tips)) == 5, source
        assert all(0 <= tip < 778 for tip in tips), source
