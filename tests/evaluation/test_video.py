"""A whole video's report: rules for what does not fit, memory, and how it is written."""

import csv
import io
import json
import math
import weakref

import numpy as np
import pytest

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.errors import InputError
from mmgt.evaluation.measured import Measured
from mmgt.evaluation.report import report_csv, report_json, report_markdown, report_text
from mmgt.evaluation.video import Report, evaluate_video
from mmgt.media import read_recording
from mmgt.pose_files import load_poses
from mmgt.speech.recording import Recording

PERSON = load_poses(ASTRONAUT_POSE)


class Noise:
    """Frames that are made when they are asked for, and how many of them lived at once."""

    def __init__(self, num_frames, height=64, width=64, seed=0, level=0):
        self.num_frames, self.size, self.seed, self.level = num_frames, (height, width), seed, level
        self.alive, self.most_alive = weakref.WeakSet(), 0

    def __call__(self, frames):
        made = [self.frame(t).view(Frame) for t in frames]
        self.alive.update(made)
        self.most_alive = max(self.most_alive, len(self.alive))
        return made

    def frame(self, t):
        draw = np.random.default_rng([self.seed, t])
        return draw.integers(0, 200, (*self.size, 3), np.uint8) + np.uint8(self.level)


class Frame(np.ndarray):
    __hash__ = object.__hash__  # so that a set can hold it
    __eq__ = object.__eq__


def values(report):
    return {row.name: row.value for row in report.rows}


def test_what_is_longer_is_cut_and_said():
    report = evaluate_video(Noise(9), reference=Noise(6), poses=PERSON.at([0] * 20))
    assert {row.n for row in report.rows if row.name.startswith(("PSNR whole", "SSIM whole"))} == {6}
    assert "compared up to frame 6 at 25 a second (the video 9, the reference video 6, the poses 20)" in report.notes[0]
    assert values(report)["PSNR whole 64x64"] == math.inf
    steps = []
    evaluate_video(Noise(5), reference=Noise(5), progress=lambda *step: steps.append(step))
    assert steps == [(t, 5) for t in range(1, 6)]


def test_another_size_is_resized_and_said_and_another_aspect_refused():
    report = evaluate_video(Noise(2), reference=Noise(2, 128, 128))
    assert "resized from 128x128 px to the video's 64x64 px" in report.notes[0]
    with pytest.raises(InputError, match="the reference video has 80x64 px, the evaluated video 64x64 px"):
        evaluate_video(Noise(2), reference=Noise(2, 64, 80))
    with pytest.raises(InputError, match="the poses are of a picture of 512x300 px"):
        evaluate_video(Noise(2), poses=PERSON.sized(300, 512))


def test_what_is_not_given_is_said():
    report = evaluate_video(Noise(2), reference=Noise(2))
    whole = [f"{name} whole {size}" for name in ("PSNR", "SSIM") for size in ("256x256", "64x64")]
    assert sorted(values(report)) == [*whole, "colour shift"]
    notes = [note.split(":")[0] for note in report.notes if "mmgt_eval" not in note]
    assert notes == ["No poses", "No sound"]
    report = evaluate_video(Noise(3), poses=PERSON.at([0] * 3))
    assert [note.split(":")[0] for note in report.notes] == ["No reference video", "No reference poses", "No sound"]
    assert values(report)["range of motion"] == 0
    assert "background flicker" in values(report)
    report = evaluate_video(Noise(3), reference=Noise(3), poses=PERSON.at([0] * 3))
    assert "The hands are never visible in the poses: no PSNR and SSIM of them." in report.notes
    with pytest.raises(InputError, match="nothing to compare the video with"):
        evaluate_video(Noise(2))
    with pytest.raises(InputError, match="give these, too"):
        evaluate_video(Noise(2), reference=Noise(2), reference_poses=PERSON)


def test_one_frame_and_silence_have_the_numbers_that_they_can_have():
    silence = Recording(np.zeros((1, 16000), np.float32), 16000)
    report = evaluate_video(Noise(1), reference=Noise(1), poses=PERSON, recording=silence)
    found = values(report)
    assert "lip opening in silence" in found
    assert not {"lip correlation", "beat alignment (BAS)", "background flicker", "largest jump"} & found.keys()
    assert any("Nobody speaks in the sound" in note for note in report.notes)
    assert report.alarms.keys() == {"sound minus picture"}
    assert all(math.isfinite(value) or name.startswith("PSNR") for name, value in found.items())
    speech = read_recording(SPEECH)
    report = evaluate_video(Noise(2), poses=PERSON.at([0, 0]), recording=Recording(speech.samples[:, :99], 16000))
    assert all(math.isfinite(value) for value in values(report).values())


def test_memory_is_flat_in_length():
    """No frame lives on: as many at once in a long video as in a short one."""
    most = []
    for num_frames in (6, 24):
        video, reference = Noise(num_frames, 32, 32), Noise(num_frames, 32, 32, level=20)
        evaluate_video(video, reference=reference, poses=PERSON.at([0] * num_frames))
        most.append((video.most_alive, reference.most_alive))
    assert most[0] == most[1]
    assert max(most[1]) <= 3


REPORT = Report(
    (
        Measured("PSNR whole", math.inf, 5, "dB", "higher", "a|b", "likeness"),
        Measured("lip lag", -2, 9, "frames", "none", "shift", "0 is best"),
    ),
    ("Said.",),
)


def test_reports_are_read_back():
    data = json.loads(report_json(REPORT, {"video": "v.mp4"}))
    assert (data["format"], data["inputs"], data["notes"]) == ("mmgt-evaluation", {"video": "v.mp4"}, ["Said."])
    assert float(data["rows"][0]["value"]) == math.inf
    rows = list(csv.DictReader(io.StringIO(report_csv(REPORT))))
    assert [(row["name"], float(row["value"]), row["better"]) for row in rows] == [
        ("PSNR whole", math.inf, "higher"),
        ("lip lag", -2, "none"),
    ]
    lines = report_markdown(REPORT, {"video": "v.mp4"}).splitlines()
    table = [line.replace("\\|", "/") for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert data["alarms"] == {"lip lag": "The lips come 2 frames too early."}
    assert "- **The lips come 2 frames too early.**" in lines
    assert len({line.count("|") for line in table}) == 1
    assert "| higher is better | likeness |" in table[2]
    assert "- Said." in lines
    shown = report_markdown(REPORT, {}, ["no audio report_heat.png"])
    assert "![no audio report_heat.png](no%20audio%20report_heat.png)" in shown
    text = report_text(REPORT).splitlines()
    assert text[0] == "! The lips come 2 frames too early."
    assert "PSNR whole: inf dB (higher is better): likeness [over 5; a|b]" in text
    assert "- Said." in text
