"""The 134-keypoint skeleton: names, index ranges, limbs and colours.

Order (arXiv 2505.23120 uses DWPose's 133 COCO-WholeBody points; a neck is inserted and the first 18 are put in
OpenPose order): 0-17 body, 18-23 feet, 24-91 face (iBUG 68), 92-112 left hand, 113-133 right hand.
"Left" and "right" are the person's own.
"""

from __future__ import annotations

from typing import Any

NUM_KEYPOINTS = 134

BODY = range(18)
FEET = range(18, 24)
FACE = range(24, 92)
JAW = range(24, 41)
RIGHT_BROW = range(41, 46)
LEFT_BROW = range(46, 51)
BROWS = range(41, 51)
NOSE_LINE = range(51, 60)
RIGHT_EYE = range(60, 66)
LEFT_EYE = range(66, 72)
LIPS = range(72, 92)
OUTER_LIPS = range(72, 84)
INNER_LIPS = range(84, 92)
LEFT_HAND = range(92, 113)
RIGHT_HAND = range(113, 134)

# fmt: off
(NOSE, NECK, RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, RIGHT_HIP, RIGHT_KNEE,
 RIGHT_ANKLE, LEFT_HIP, LEFT_KNEE, LEFT_ANKLE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR) = BODY
# fmt: on

CHIN = 32
UPPER_INNER_LIP, LOWER_INNER_LIP = 86, 90  # middle of the inner lip: their distance is the mouth's opening
LEGS = (RIGHT_KNEE, RIGHT_ANKLE, LEFT_KNEE, LEFT_ANKLE)  # never seen in a talking portrait: hidden in SMGA's condition

VISIBLE_SCORE = 0.3  # a keypoint below this score is not drawn and not trusted: ``is_visible``

# fmt: off
LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
         (1, 0), (0, 14), (14, 16), (0, 15), (15, 17))
HAND_EDGES = ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (0, 9), (9, 10), (10, 11), (11, 12),
              (0, 13), (13, 14), (14, 15), (15, 16), (0, 17), (17, 18), (18, 19), (19, 20))

# RGB. Limb and joint colours are OpenPose's; the hand colours have red and blue swapped against OpenPose's picture,
# and MM-HAA was trained on them so.
BODY_COLOURS = ((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
                (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
                (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85))
HAND_EDGE_COLOURS = ((0, 0, 255), (0, 76, 255), (0, 153, 255), (0, 229, 255), (0, 255, 203), (0, 255, 127),
                     (0, 255, 51), (25, 255, 0), (102, 255, 0), (178, 255, 0), (255, 255, 0), (255, 178, 0),
                     (255, 102, 0), (255, 25, 0), (255, 0, 50), (255, 0, 127), (255, 0, 204), (229, 0, 255),
                     (152, 0, 255), (76, 0, 255))
HAND_POINT_COLOUR = (0, 0, 255)
FACE_COLOUR = (255, 255, 255)
# fmt: on


def is_visible(score: Any) -> Any:
    """Whether points are seen: scores 0..1, a number, an array or a tensor -> bool of the same shape."""
    return score >= VISIBLE_SCORE


def in_face(points: range) -> range:
    """A part of the face by its places among the 68 face points, which are iBUG's numbers from 0."""
    return range(points.start - FACE.start, points.stop - FACE.start)
