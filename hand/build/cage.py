"""A quad mesh of fixed topology, shrink-wrapped onto the implicit hand.

Palm and wrist are rings of 20 columns; each finger is a tube of 8 columns whose first ring it shares with its
neighbours (the webs); the thumb is a tube of 10 columns that grows out of a hole of 2 x 3 quads in the palm. Rings
lie close together where joints bend and far apart elsewhere. Vertices start inside, are shot outwards onto the
skin, and are then relaxed along it; finger rings stay where they were put, so that edge loops run round the joints.

Topology follows from the code alone, so every hand has the same vertices in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from hand.build.implicit import ImplicitHand
from hand.build.primitives import Distances, Points
from hand.build.quad_mesh import neighbour_average, signed_volume, triangles_of
from hand.build.skeleton import FIRST_JOINT, FOUR_FINGERS, Skeleton
from hand.joints import FINGERS

WRIST_PLANE_MM = -16.0
"""Distal coordinate of the open boundary."""

_RING_FRACTIONS = (0.0, 0.09, 0.18, 0.27, 0.40, 0.53, 0.66, 0.76, 0.86, 0.94)
"""Palm rings between the wrist plane (0) and the bases of the fingers (1, a row of its own)."""

_COLUMN_TILT = np.array([0.9, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, -0.25, -0.9])
"""How far the shooting direction of each palm column leans to its side."""

_COLUMNS = 9
_THUMB_ROWS = (3, 6)
"""Palm rings between which the thumb's hole lies."""

_FINGER_RINGS = (
    *((0, s) for s in (0.57, 0.70, 0.83, 0.93)),
    *((1, s) for s in (0.00, 0.13, 0.32, 0.56, 0.79, 0.93)),
    *((2, s) for s in (0.06, 0.20, 0.42, 0.63, 0.80, 0.92)),
)
"""(segment, fraction along it) of each ring of a finger."""

_THUMB_RINGS = (
    *((0, s) for s in (0.66, 0.80, 0.93)),
    *((1, s) for s in (0.02, 0.12, 0.30, 0.52, 0.75, 0.91)),
    *((2, s) for s in (0.05, 0.20, 0.40, 0.60, 0.78, 0.91)),
)
_REACH_MM = 60.0
"""How far a ray to the skin goes at most."""

_RELAXATION_STEPS = 120
_FREE_FINGER_RINGS = 3
_FREE_THUMB_RINGS = 5
"""The first rings of a tube may slide while the mesh relaxes; the others keep their place at the joints."""


@dataclass(frozen=True, slots=True)
class Cage:
    """The wrapped mesh.

    Attributes:
        vertices_mm: positions on the skin, anatomical frame.
        quads: counter-clockwise seen from outside.
        tip_vertices: the vertex at the end of each digit, thumb to pinky.
        wrist_loop: the vertices of the open boundary, in order.
    """

    vertices_mm: Points
    quads: Int[np.ndarray, "q 4"]
    tip_vertices: Int[np.ndarray, "5"]
    wrist_loop: Int[np.ndarray, "20"]


def build_cage(hand: ImplicitHand) -> Cage:
    """Wraps the cage round a hand at rest."""
    blank = _Blank(hand.skeleton)
    rings = _palm_rings(blank)
    tips = {finger: _finger_tube(blank, rings, position, finger) for position, finger in enumerate(FOUR_FINGERS)}
    tips["thumb"] = _thumb_tube(blank, rings, hand)
    vertices = _shot_onto_skin(blank, hand)
    return _relaxed(*_without_hole(blank, vertices, rings[0], tips), hand)


@dataclass(slots=True)
class _Ring:
    """One row round the palm: front and back columns and the two side vertices (thumb side, little finger side)."""

    front: list[int]
    back: list[int]
    thumb_side: int
    pinky_side: int

    def around(self) -> list[int]:
        return [*self.front, self.pinky_side, *reversed(self.back), self.thumb_side]


@dataclass(slots=True)
class _Blank:
    """The mesh while it is put together: where each vertex starts, in which direction it is shot, what joins it."""

    skeleton: Skeleton
    origins: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    directions: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    fixed: list[bool] = field(default_factory=list)
    own_digit: list[str] = field(default_factory=list)
    quads: list[tuple[int, int, int, int]] = field(default_factory=list)

    def vertex(
        self, origin: Float[np.ndarray, "3"], direction: object, fixed: bool = False, own_digit: str = ""
    ) -> int:
        """Adds a vertex; ``own_digit`` names the digit that it belongs to."""
        heading = np.array(direction, dtype=float)
        self.origins.append(np.asarray(origin, dtype=float))
        self.directions.append(heading / np.linalg.norm(heading))
        self.fixed.append(fixed)
        self.own_digit.append(own_digit)
        return len(self.origins) - 1

    def tube(
        self,
        root: list[int],
        digit: str,
        rings: tuple[tuple[int, float], ...],
        angles: Float[np.ndarray, "c"],
        free: int,
    ) -> int:
        """Adds rings from ``root`` to the finger tip, closes it, and returns the tip vertex."""
        previous = root
        for position, (segment, fraction) in enumerate(rings):
            frame = self.skeleton.frames[FIRST_JOINT[digit] + segment]
            origin = self.skeleton.along(digit, segment, fraction)
            ring = [
                self.vertex(origin, frame[:, 0] * np.sin(a) + frame[:, 2] * np.cos(a), position >= free, digit)
                for a in angles
            ]
            count = len(ring)
            for c in range(count):
                self.quads.append((previous[c], previous[(c + 1) % count], ring[(c + 1) % count], ring[c]))
            previous = ring
        frame = self.skeleton.frames[FIRST_JOINT[digit] + 2]
        tip = self.vertex(self.skeleton.along(digit, 2, 0.80), frame[:, 1] + 0.1 * frame[:, 2], fixed=True)
        for c in range(0, len(previous), 2):
            self.quads.append((previous[c], previous[c + 1], previous[(c + 2) % len(previous)], tip))
        return tip


def _palm_rings(blank: _Blank) -> list[_Ring]:
    """Rings from the wrist plane to the bases of the fingers, with their quads."""
    base = _finger_base_line(blank.skeleton)
    breadth = 18.0 * blank.skeleton.proportions.wrist_breadth
    wrist = np.stack(
        [np.linspace(breadth, -breadth, _COLUMNS), np.full(_COLUMNS, WRIST_PLANE_MM), np.ones(_COLUMNS)], 1
    )
    rings = []
    for fraction in _RING_FRACTIONS:
        line = wrist * (1.0 - fraction) + base * fraction
        front = [blank.vertex(line[c], (_COLUMN_TILT[c], 0.0, 1.0)) for c in range(_COLUMNS)]
        back = [blank.vertex(line[c], (_COLUMN_TILT[c], 0.0, -1.0)) for c in range(_COLUMNS)]
        thumb_side, pinky_side = blank.vertex(line[0], (1, 0, 0)), blank.vertex(line[8], (-1, 0, 0))
        rings.append(_Ring(front, back, thumb_side, pinky_side))
    rings.append(_finger_base_ring(blank, base))
    hole = range(*_THUMB_ROWS)
    for row, (lower, upper) in enumerate(pairwise(rings)):
        below, above = lower.around(), upper.around()
        count = len(below)
        for c in range(count):
            if row in hole and c >= count - 2:
                continue
            blank.quads.append((below[c], below[(c + 1) % count], above[(c + 1) % count], above[c]))
    return rings


def _finger_base_line(skeleton: Skeleton) -> Float[np.ndarray, "9 3"]:
    """Columns at the bases: odd ones in the middle of a finger, even ones in the webs and at the two edges."""
    base = np.zeros((_COLUMNS, 3))
    for position, finger in enumerate(FOUR_FINGERS):
        base[2 * position + 1] = skeleton.along(finger, 0, 0.40)
    for web in (2, 4, 6):
        base[web] = (base[web - 1] + base[web + 1]) / 2 + [0.0, -5.5, 0.0]
    for column, finger, distal_mm, sideways_mm in ((0, "index", 12.0, 7.0), (8, "pinky", 9.0, -6.0)):
        frame = skeleton.frames[FIRST_JOINT[finger]]
        base[column] = skeleton.joints_mm[FIRST_JOINT[finger]] + frame[:, 1] * distal_mm + frame[:, 0] * sideways_mm
    return base


def _finger_base_ring(blank: _Blank, base: Float[np.ndarray, "9 3"]) -> _Ring:
    front, back = [], []
    for c in range(_COLUMNS):
        if c % 2 == 1:
            frame = blank.skeleton.frames[FIRST_JOINT[FOUR_FINGERS[c // 2]]]
            front.append(blank.vertex(base[c], frame[:, 2]))
            back.append(blank.vertex(base[c] - frame[:, 1] * 8.0, -frame[:, 2]))
        elif c in (0, _COLUMNS - 1):
            front.append(blank.vertex(base[c], (_COLUMN_TILT[c], 0.0, 1.0)))
            back.append(blank.vertex(base[c] - [0.0, 5.0, 0.0], (_COLUMN_TILT[c], 0.0, -1.0)))
        else:
            front.append(blank.vertex(base[c] + [0.0, -4.0, 0.0], (0.0, 0.75, 1.0)))
            back.append(blank.vertex(base[c] + [0.0, -6.0, 0.0], (0.0, 0.6, -1.0)))
    thumb_side = blank.vertex(base[0] - [0.0, 2.0, 0.0], (1, 0, 0))
    pinky_side = blank.vertex(base[8] - [0.0, 2.0, 0.0], (-1, 0, 0))
    return _Ring(front, back, thumb_side, pinky_side)


def _finger_tube(blank: _Blank, rings: list[_Ring], position: int, finger: str) -> int:
    """One finger on the last palm ring; the two web vertices of each gap belong to both neighbours."""
    last = rings[-1]
    inner, middle, outer = 2 * position, 2 * position + 1, 2 * position + 2
    thumb_web = last.thumb_side if position == 0 else _web_vertex(blank, inner)
    pinky_web = last.pinky_side if position == 3 else _web_vertex(blank, outer)
    root = [last.front[middle], last.front[outer], pinky_web, last.back[outer]]
    root += [last.back[middle], last.back[inner], thumb_web, last.front[inner]]
    return blank.tube(root, finger, _FINGER_RINGS, -np.arange(8) * np.pi / 4, _FREE_FINGER_RINGS)


def _web_vertex(blank: _Blank, column: int) -> int:
    """The vertex in the middle of a web, made once and shared by the two fingers beside it."""
    key = f"web{column}"
    if key in blank.own_digit:
        return blank.own_digit.index(key)
    base = _finger_base_line(blank.skeleton)
    return blank.vertex(base[column] - [0.0, 5.0, 0.0], (0, 1, 0), own_digit=key)


def _thumb_tube(blank: _Blank, rings: list[_Ring], hand: ImplicitHand) -> int:
    """The thumb on the rim of its hole, turned so that its columns meet the rim with the least twist."""
    low, high = _THUMB_ROWS
    rim = [rings[row].front[0] for row in range(low, high + 1)] + [rings[high].thumb_side]
    rim += [rings[row].back[0] for row in range(high, low - 1, -1)] + [rings[low].thumb_side]
    on_skin = _traced(hand.distance, np.array(blank.origins)[rim], np.array(blank.directions)[rim])
    frame = blank.skeleton.frames[FIRST_JOINT["thumb"]]
    centre = blank.skeleton.along("thumb", 0, 0.5)
    best_error, best_angles = np.inf, np.zeros(len(rim))
    for turn in (1.0, -1.0):
        for shift in range(len(rim)):
            angles = turn * (np.arange(len(rim)) + shift) * 2.0 * np.pi / len(rim)
            circle = centre + 14.0 * (np.outer(np.sin(angles), frame[:, 0]) + np.outer(np.cos(angles), frame[:, 2]))
            error = float(((circle - on_skin) ** 2).sum())
            if error < best_error:
                best_error, best_angles = error, angles
    return blank.tube(rim, "thumb", _THUMB_RINGS, best_angles, _FREE_THUMB_RINGS)


def _shot_onto_skin(blank: _Blank, hand: ImplicitHand) -> Points:
    """Every vertex moved from inside onto the skin.

    A ray from inside a digit would leave it unnoticed where it touches its neighbour, so the vertices of a digit are
    shot onto that digit's skin alone, and the rings that stay where they are put are then lifted onto the joined skin.
    """
    origins, directions = np.array(blank.origins), np.array(blank.directions)
    vertices = _traced(hand.distance, origins, directions)
    for digit in FINGERS:
        mask = np.array([own == digit for own in blank.own_digit])
        vertices[mask] = _traced(partial(hand.digit, digit=digit), origins[mask], directions[mask])
    on_digit = np.array(blank.fixed)
    vertices[on_digit] = hand.project(vertices[on_digit], iterations=3, max_step_mm=1.0)
    return vertices


def _traced(distance: Callable[[Points], Distances], origins: Points, directions: Points) -> Points:
    """Points where rays from inside leave the body, by sphere tracing with a cautious step."""
    travelled = np.zeros(len(origins))
    for _ in range(40):
        signed = distance(origins + directions * travelled[:, None])
        travelled = np.clip(travelled - 0.8 * signed, 0.0, _REACH_MM)
    return origins + directions * travelled[:, None]


def _without_hole(
    blank: _Blank, vertices: Points, wrist: _Ring, tips: dict[str, int]
) -> tuple[Cage, Bool[np.ndarray, "kept"]]:
    """Drops the vertices inside the thumb's hole; returns the cage and which vertices keep their place."""
    quads = np.array(blank.quads)
    used = np.zeros(len(vertices), dtype=bool)
    used[quads] = True
    renumbered = np.cumsum(used) - 1
    loop = renumbered[wrist.around()]
    cage = Cage(
        vertices_mm=vertices[used],
        quads=renumbered[quads],
        tip_vertices=np.array([renumbered[tips[finger]] for finger in FINGERS]),
        wrist_loop=loop,
    )
    fixed = np.array(blank.fixed)[used]
    fixed[loop] = True
    return cage, fixed


def _relaxed(cage: Cage, fixed: Bool[np.ndarray, "kept"], hand: ImplicitHand) -> Cage:
    """Evens out the free vertices along the skin, and turns the winding outwards."""
    free = ~fixed
    average = neighbour_average(len(cage.vertices_mm), cage.quads)
    vertices = cage.vertices_mm.copy()
    for _ in range(_RELAXATION_STEPS):
        vertices[free] += 0.5 * ((average @ vertices) - vertices)[free]
        vertices[free] = hand.project(vertices[free], iterations=1, max_step_mm=1.2)
    vertices[free] = hand.project(vertices[free], iterations=3)
    quads = cage.quads
    if signed_volume(vertices, triangles_of(quads)) < 0.0:
        quads = np.ascontiguousarray(quads[:, ::-1])
    return Cage(vertices, quads, cage.tip_vertices, cage.wrist_loop)
