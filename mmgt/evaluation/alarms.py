"""Which numbers say that something is wrong, in words. A number that is only a little bad raises nothing."""

from __future__ import annotations

from collections.abc import Sequence

from .measured import Measured

MAX_LAG_FRAMES, MIN_LAG_CORRELATION = 1, 0.3  # 40 ms are not seen; a lag of lips that follow nothing says nothing
MIN_HAND_MOTION, MIN_HAND_SHARE = 0.01, 0.2  # shoulder widths; of the reference's
MAX_FLICKER = 2.0  # levels of 255: an encoder's noise stays below 1
MAX_JUMP = 4.0
MAX_COLOUR_SHIFT = 3.0  # levels of 255
MAX_SOUND_DIFFERENCE_S = 0.1  # AAC may add 0.05


def alarms(rows: Sequence[Measured]) -> dict[str, str]:
    """Name of a number -> a sentence, for each that raises an alarm."""
    values = {row.name: row.value for row in rows}
    raised = {}
    lag = values.get("lip lag", 0.0)
    if abs(lag) > MAX_LAG_FRAMES and values.get("best lip correlation", 1.0) >= MIN_LAG_CORRELATION:
        raised["lip lag"] = f"The lips come {abs(lag):.0f} frames too {'late' if lag > 0 else 'early'}."
    moved = values.get("range of motion of the hands")
    wanted = values.get("range of motion of the hands of the reference")
    least = MIN_HAND_MOTION if wanted is None else MIN_HAND_SHARE * wanted
    if moved is not None and moved < least:
        raised["range of motion of the hands"] = (
            f"The hands are frozen: their points move {moved:.2g} shoulder widths"
            f"{'' if wanted is None else f', in the reference {wanted:.2g}'}."
        )
    for name, most, sentence in (
        ("background flicker", MAX_FLICKER, "The background flickers by {:.1f} levels of 255."),
        ("largest jump", MAX_JUMP, "One frame changes {:.0f} times as much as those around it: a seam or a cut."),
        ("colour shift", MAX_COLOUR_SHIFT, "The colours differ from the reference's by {:.1f} levels of 255."),
    ):
        if values.get(name, 0.0) > most:
            raised[name] = sentence.format(values[name])
    if abs(difference := values.get("sound minus picture", 0.0)) > MAX_SOUND_DIFFERENCE_S:
        longer, shorter = ("sound", "picture") if difference > 0 else ("picture", "sound")
        raised["sound minus picture"] = f"The {longer} lasts {abs(difference):.2f} s longer than the {shorter}."
    return raised
