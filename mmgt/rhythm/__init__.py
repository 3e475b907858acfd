"""Rhythm Audio2Pose: a pose track from speech by rules alone, without any network or weights.

The lips follow the loudness and the spectrum of the speech; head, brows and hands beat on its accents; blinks,
breathing and a slow sway go on in silence. This is no SMGA and no substitute for it: it knows the rhythm of the words,
not their meaning. The movements are built from the inside out: face in its own axes -> head about the neck -> arms from
the shoulders -> torso about the hips, everything measured in sizes of the person (never of the picture).

``cues`` is what the recording gives, ``person`` what the still shows, ``timing`` when things move; ``face``, ``head``,
``arms`` and ``torso`` move, and ``audio2pose`` lets them.
"""

from .audio2pose import Amplitudes, rhythm_poses

__all__ = ["Amplitudes", "rhythm_poses"]
