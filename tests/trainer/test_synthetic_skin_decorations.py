"""Rings, patches, lines and gloves: where they are on the skin, and that they change nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hand.embedded import load_embedded_model
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.skin import Skin
from trainer.synthetic.skin_decorations import adorn, glove, lines, patches, rings

PEOPLE = range(48)


def renderer_with(adorned_share: float, gloved_share: float = 0.0) -> SceneRenderer:
    """One renderer with a small pool of backgrounds."""
    pool = BackgroundPool(5, size=4)
    return SceneRenderer(
        load_embedded_model(), 5, backgrounds=pool, adorned_share=adorned_share, gloved_share=gloved_share
    )


@pytest.fixture(scope="module")
def plain() -> SceneRenderer:
    return renderer_with(0.0)


def test_rings_lie_around_the_first_bones_of_at_most_three_fingers(plain: SceneRenderer) -> None:
    """What is painted stands out from the skin and lies between a finger's first two joints."""
    skin, surface = plain.skin(3), plain.surface
    for seed in range(12):
        worn = rings(skin, surface, np.random.default_rng(seed))
        change = np.abs(worn.albedo - skin.albedo).sum(1)
        painted = change > 0.3 * change.max()
        fingers = [digit for digit in surface.digits if (painted & (digit.along > 0.5)).any()]
        assert 1 <= len(fingers) <= 3
        on_a_finger = np.zeros(len(painted), bool)
        for digit in fingers:
            along = digit.coordinates_mm[0][:, 1]
            on_a_finger |= (digit.along > 0.5) & (along > 0.0) & (along < digit.lengths_mm[0] + 3.0)
        assert on_a_finger[painted].all()
        assert (worn.displacement_m >= skin.displacement_m).all()


@pytest.mark.parametrize("kind", [patches, lines, glove])
def test_patches_lines_and_gloves_cover_their_share_of_the_hand(
    plain: SceneRenderer, kind: Callable[..., Skin]
) -> None:
    """A glove the whole hand and not the arm, patches and lines a part of both; albedo stays between 0 and 1."""
    skin, surface = plain.skin(3), plain.surface
    shares = []
    for seed in range(24):
        worn = kind(skin, surface, np.random.default_rng(seed))
        assert worn.albedo.min() >= 0.0
        assert worn.albedo.max() <= 1.0
        shares.append((np.abs(worn.albedo - skin.albedo).max(1) > 0.02)[: surface.hand_count].mean())
        if kind is glove:
            np.testing.assert_array_equal(worn.albedo[-surface.ring_size :], skin.albedo[-surface.ring_size :])
    low, high = (0.8, 1.0) if kind is glove else (0.02, 0.9)
    assert low <= np.mean(shares) <= high
    assert np.std(shares) > 0.0


def test_adorned_share_of_people_is_decorated_and_others_are_unchanged(plain: SceneRenderer) -> None:
    some = renderer_with(0.5)
    same = [np.array_equal(plain.skin(number).albedo, some.skin(number).albedo) for number in PEOPLE]
    assert 12 <= sum(same) <= 36
    everyone = renderer_with(1.0)
    assert not any(np.array_equal(plain.skin(number).albedo, everyone.skin(number).albedo) for number in PEOPLE)


def test_gloves_go_to_people_who_wear_nothing_else(plain: SceneRenderer) -> None:
    adorned, gloved = renderer_with(0.3), renderer_with(0.3, 0.4)
    newly = 0
    for number in PEOPLE:
        bare, before, now = (each.skin(number).albedo for each in (plain, adorned, gloved))
        if np.array_equal(before, now):
            continue
        newly += 1
        np.testing.assert_array_equal(before, bare)
        assert (np.abs(now - bare).max(1) > 0.02)[: plain.surface.hand_count].mean() > 0.5
    assert 10 <= newly <= 30


def test_decorations_change_the_picture_and_not_the_labels(plain: SceneRenderer) -> None:
    """Only the picture changes."""
    bare_scene = replace(plain.crop_scene(2), props=(), second=None)
    worn_skin = adorn(bare_scene.skin, plain.surface, np.random.default_rng(4))
    bare, worn = plain.render(bare_scene), plain.render(replace(bare_scene, skin=worn_skin))
    np.testing.assert_array_equal(bare.joints_px, worn.joints_px)
    np.testing.assert_array_equal(bare.joints_m, worn.joints_m)
    assert np.abs(bare.image_rgb.astype(int) - worn.image_rgb).max() > 20


def test_long_series_draws_other_people(plain: SceneRenderer) -> None:
    """Later crops show none of the first people, and the first crops drawn again show the same people."""
    first = {plain.crop_scene(index).skin.albedo.tobytes() for index in range(12)}
    later = {plain.crop_scene(index).skin.albedo.tobytes() for index in range(5000, 5012)}
    assert not first & later
    for number in range(1000, 1400):  # enough to evict the first ones from the cache
        plain.skin(number)
    assert first == {plain.crop_scene(index).skin.albedo.tobytes() for index in range(12)}
