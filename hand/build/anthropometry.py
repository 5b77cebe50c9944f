"""Measures of the reference hand, and the ten named proportions by which hands differ.

Reference hand: an adult right hand about as long as the mean man's. Checked against published figures:

* Distance from the distal wrist crease to the finger tips, 50 men (Najd Mazhar et al. 2009, Med J Islam Repub Iran
  23(1)): thumb 107.9, index 170.6, middle 182.6, ring 172.2, little 144.1 mm; 50 women 93.6, 156.4, 166.9, 156.3,
  132.4 mm. Our wrist *joint* lies about 5 mm proximal of that crease.
* Bone lengths as fractions of hand length (Buchholz, Armstrong and Goldstein 1992, read second-hand in public
  code): thumb metacarpal .251, proximal .196, distal .158; middle phalanges of index to little .143, .170, .165,
  .117.
* Hand breadth at the metacarpal heads 85 (sd 5) mm for British men, 75 (sd 4) mm for British women (Pheasant's
  tables as reproduced by City University of Hong Kong).

Phalanx lengths between joint centres follow the pattern of Buryanov and Kotiuk 2010 (Int J Morphol 28(3)) plus soft
tissue at the tip; they were typed from memory of that table and could not be read again, so they count as our own
choice. Breadths, depths, the shapes of pads and muscle and all positions in the palm are our own choice, judged by
eye.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

Vector = tuple[float, float, float]
"""Radial, distal, palmar; millimetres, or a direction."""


@dataclass(frozen=True, slots=True)
class FingerMeasures:
    """One of the four fingers.

    Attributes:
        mcp_mm: knuckle joint (radial, distal, palmar) from the wrist joint.
        metacarpal_base_mm: where its metacarpal begins.
        spread_deg: direction at rest in the palm plane, positive towards the thumb.
        rest_flexion_deg: bend at rest of MCP, PIP and DIP.
        segments_mm: proximal, middle and distal phalanx between joint centres; the last one ends at the skin.
        half_breadths_mm: half the breadth at the base, PIP, DIP and near the tip.
    """

    mcp_mm: Vector
    metacarpal_base_mm: Vector
    spread_deg: float
    rest_flexion_deg: Vector
    segments_mm: Vector
    half_breadths_mm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ThumbMeasures:
    """The thumb.

    Attributes:
        cmc_mm: its saddle joint (radial, distal, palmar) from the wrist joint.
        directions: directions at rest of metacarpal, proximal and distal phalanx.
        pulp_direction: direction of the pulp at rest.
        segments_mm: metacarpal, proximal and distal phalanx between joint centres; the last one ends at the skin.
        half_breadths_mm: half the breadth at the metacarpal, MCP, IP and near the tip.
    """

    cmc_mm: Vector
    directions: tuple[Vector, Vector, Vector]
    pulp_direction: Vector
    segments_mm: Vector
    half_breadths_mm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class HandMeasures:
    """A whole hand; the wrist is an ellipse given by its two half-axes (radial, palmar)."""

    index: FingerMeasures
    middle: FingerMeasures
    ring: FingerMeasures
    pinky: FingerMeasures
    thumb: ThumbMeasures
    wrist_half_axes_mm: tuple[float, float]

    def finger(self, name: str) -> FingerMeasures:
        """The measures of ``index``, ``middle``, ``ring`` or ``pinky``."""
        measures: FingerMeasures = getattr(self, name)
        return measures


REFERENCE: Final = HandMeasures(
    index=FingerMeasures(
        mcp_mm=(24.5, 91.0, 1.0),
        metacarpal_base_mm=(12.0, 22.0, -3.0),
        spread_deg=7.0,
        rest_flexion_deg=(3.0, 6.0, 4.0),
        segments_mm=(40.5, 23.4, 20.2),
        half_breadths_mm=(10.6, 9.8, 8.7, 7.3),
    ),
    middle=FingerMeasures(
        mcp_mm=(2.5, 95.0, -1.0),
        metacarpal_base_mm=(2.0, 24.0, -4.0),
        spread_deg=1.5,
        rest_flexion_deg=(3.0, 7.0, 4.0),
        segments_mm=(45.3, 27.3, 21.8),
        half_breadths_mm=(10.8, 10.0, 8.9, 7.5),
    ),
    ring=FingerMeasures(
        mcp_mm=(-18.0, 87.5, 0.5),
        metacarpal_base_mm=(-9.0, 23.0, -2.0),
        spread_deg=-5.0,
        rest_flexion_deg=(3.0, 7.0, 4.0),
        segments_mm=(42.1, 26.7, 21.7),
        half_breadths_mm=(10.2, 9.4, 8.4, 7.1),
    ),
    pinky=FingerMeasures(
        mcp_mm=(-37.5, 75.0, 4.5),
        metacarpal_base_mm=(-18.0, 20.0, 1.0),
        spread_deg=-14.0,
        rest_flexion_deg=(4.0, 6.0, 4.0),
        segments_mm=(32.4, 18.6, 19.6),
        half_breadths_mm=(9.0, 8.3, 7.5, 6.4),
    ),
    thumb=ThumbMeasures(
        cmc_mm=(17.0, 20.0, 7.0),
        directions=((0.60, 0.72, 0.36), (0.56, 0.81, 0.17), (0.50, 0.86, 0.06)),
        pulp_direction=(-0.62, 0.25, 0.74),
        segments_mm=(46.2, 32.6, 28.0),
        half_breadths_mm=(13.6, 12.0, 11.2, 9.2),
    ),
    wrist_half_axes_mm=(27.5, 18.5),
)
"""The reference hand."""


@dataclass(frozen=True, slots=True)
class Proportions:
    """Factors on the reference hand, 1 everywhere for the reference itself.

    The field names, in this order, are the names of the model's ten shape coefficients. Each factor acts on its own
    measure alone: the others describe how a hand differs from a scaled copy of the reference.
    """

    overall_size: float = 1.0
    finger_length: float = 1.0
    thumb_length: float = 1.0
    palm_length: float = 1.0
    palm_breadth: float = 1.0
    finger_breadth: float = 1.0
    thickness: float = 1.0
    thenar_fullness: float = 1.0
    wrist_breadth: float = 1.0
    index_ring_ratio: float = 1.0


SHAPE_NAMES: Final = tuple(field.name for field in fields(Proportions))
"""The ten shape coefficients, in the order of ``shapedirs``' last axis."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How much one proportion varies between adults.

    Attributes:
        sigma: standard deviation of the factor, as a fraction; one unit of the shape coefficient.
        meaning: what grows when the coefficient is positive.
        source: where ``sigma`` comes from.
    """

    sigma: float
    meaning: str
    source: str


VARIATIONS: Final[dict[str, Variation]] = {
    "overall_size": Variation(
        0.065,
        "the whole hand, about the wrist joint",
        "men 182.6 and women 166.9 mm from crease to middle tip (Najd Mazhar 2009) give 4.5 % between the sexes; "
        "with 5 % within a sex (our choice) 6.5 % for a mixed population",
    ),
    "finger_length": Variation(
        0.032,
        "all phalanges of the four fingers",
        "index 63.9 (sd 4.1), middle 70.7 (5.2), ring 65.5 (4.8) mm, 51 adults "
        "(Chatzioglou et al. 2024, Anat Cell Biol 57): 7.0 % in all, less the 6.5 % of overall size",
    ),
    "thumb_length": Variation(
        0.055,
        "both phalanges and the metacarpal of the thumb",
        "49.5 (sd 5.5) mm (Chatzioglou et al. 2024) is 11 % in all, less overall size and "
        "a measuring error that we assume",
    ),
    "palm_length": Variation(0.030, "distance from wrist to knuckles", "our choice, like finger length"),
    "palm_breadth": Variation(
        0.045,
        "breadth of the palm with the spacing of the knuckles",
        "British hand breadth 85 (sd 5) and 75 (sd 4) mm: 8.3 % in a mixed population, less overall size, is 5.1 %; "
        "rounded down because the breadth of the fingers varies by itself",
    ),
    "finger_breadth": Variation(0.050, "breadth and depth of all five digits", "our choice"),
    "thickness": Variation(0.070, "palmar-dorsal depth of palm, wrist and digits", "our choice"),
    "thenar_fullness": Variation(0.100, "the balls of thumb and little finger", "our choice"),
    "wrist_breadth": Variation(0.050, "both axes of the wrist", "our choice"),
    "index_ring_ratio": Variation(
        0.033,
        "length of the index finger over that of the ring finger",
        "2D:4D of 1011 adults, right hand: mean .964, 80 % of men within .918 to 1.001 "
        "(University of Granada): sd .032-.034",
    ),
}
"""Population spread of each proportion; keys are :data:`SHAPE_NAMES`."""
