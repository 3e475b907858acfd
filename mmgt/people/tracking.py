"""The people of every frame -> which of them is the one that is followed.

Everybody is followed, so that each can claim their own detection where paths cross: the cheapest assignment of people
to detections, where a pair costs the distance between the body's points as they are predicted from their motion and as
they are found, in units of the person's size. What people wear is not looked at.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..errors import InputError
from ..poses.skeleton import BODY, is_visible
from .detections import Detection, PersonOrder, check_person_order, people_in_order

NOT_SEEN = -1
MIN_SHARED_POINTS = 3  # with fewer body points in common the boxes' centres are compared
SIZE_WEIGHT = 0.3  # cost of a person e times as large
GATE, GATE_PER_S = 0.3, 1.5  # sizes that a person may be away from the prediction; more the longer they were unseen
VELOCITY_S, MAX_PREDICTION_S = 0.4, 0.5  # motion is measured over the one and continues for the other
RECENT_S = 0.5  # those who were seen within it choose before those who were lost
SURE_SIGHTINGS = 3  # people seen less often choose last: they may be false detections


def first_choice(people: Sequence[Detection], person: PersonOrder, index: int) -> tuple[int, int]:
    """The frame that decides who is followed, and that person's row in it.

    It is the first frame with more than ``index`` people; there they are counted as ``PersonOrder`` says. Raises
    InputError if there is no such frame.
    """
    check_person_order(person)
    most = max((in_frame.num_people for in_frame in people), default=0)
    if not most:
        raise InputError(
            f"nobody was found in any of the {len(people)} frames; the video must show a person's head and shoulders. "
            "Crop it around the person, or give the poses ('Load Poses')."
        )
    if not 0 <= index < most:
        raise InputError(
            f"person {index} was asked for, but no frame shows more than {most}; choose an index of 0..{most - 1} "
            f"(0 = the first by '{person}')."
        )
    start = next(t for t, in_frame in enumerate(people) if in_frame.num_people > index)
    return start, int(people_in_order(people[start], person)[index])


def follow(people: Sequence[Detection], times_s: np.ndarray, shots: np.ndarray, start: int, row: int) -> np.ndarray:
    """The row of the followed person in every frame's detection, ``NOT_SEEN`` where they are not: [T] int.

    times_s: [T] s, rising. shots: [T] int; where it changes there is a cut, behind which whoever is nearest in place
    and size goes on. start, row: whom to follow, see ``first_choice``; from there it goes forwards and backwards.
    """
    rows = np.full(len(people), NOT_SEEN)
    for order in (range(start, len(people)), range(start, NOT_SEEN, -1)):
        everybody = [_Person.at(people[start], other, times_s[start]) for other in range(people[start].num_people)]
        chosen = everybody[row]
        for person in everybody:
            person.num_sightings = SURE_SIGHTINGS
        rows[start] = row
        for before, t in pairwise(order):
            if shots[before] != shots[t]:
                chosen.is_behind_cut, everybody = True, [chosen]
            rows[t] = _claim(everybody, chosen, people[t], times_s[t])
    return rows


@dataclass
class _Person:
    """Where somebody was last seen, and how they move."""

    points_px: np.ndarray  # [18, 2]
    visible: np.ndarray  # [18] bool
    centre_px: np.ndarray  # [2]
    size_px: float
    began_s: float
    time_s: float
    num_sightings: int = 1
    is_behind_cut: bool = False
    steps: deque[tuple[float, np.ndarray]] = field(default_factory=deque)  # the last seconds and motions [2] px

    @classmethod
    def at(cls, people: Detection, row: int, time_s: float) -> _Person:
        return cls(*_body(people, row), time_s, time_s)

    def see(self, people: Detection, row: int, time_s: float) -> None:
        points, visible, centre, size = _body(people, row)
        seconds = abs(time_s - self.time_s)
        if self.is_behind_cut:
            self.steps.clear()
        elif seconds > 0:
            shared = self.visible & visible
            moved = (points - self.points_px)[shared].mean(axis=0) if shared.any() else centre - self.centre_px
            self.steps.append((seconds, moved))
            while len(self.steps) > 1 and sum(step_s for step_s, _ in self.steps) > VELOCITY_S:
                self.steps.popleft()
        self.points_px, self.visible, self.centre_px, self.size_px = points, visible, centre, size
        self.time_s, self.is_behind_cut = time_s, False
        self.num_sightings += 1

    def unseen_s(self, time_s: float) -> float:
        return abs(time_s - self.time_s)

    def velocity(self) -> np.ndarray:
        """[2] px/s, the mean of the last steps."""
        if not self.steps:
            return np.zeros(2)
        return np.sum([moved for _, moved in self.steps], axis=0) / sum(seconds for seconds, _ in self.steps)

    def gate(self, time_s: float) -> float:
        return math.inf if self.is_behind_cut else GATE + GATE_PER_S * self.unseen_s(time_s)

    def cost(self, people: Detection, row: int, time_s: float) -> float:
        """How far a detection is from this person, in sizes."""
        points, visible, centre, size = _body(people, row)
        size_cost = SIZE_WEIGHT * abs(math.log(size / self.size_px))
        unit = math.sqrt(size * self.size_px)
        if self.is_behind_cut:
            return float(np.hypot(*(centre - self.centre_px))) / unit + size_cost
        shift = self.velocity() * min(self.unseen_s(time_s), MAX_PREDICTION_S)
        shared = self.visible & visible
        if shared.sum() >= MIN_SHARED_POINTS:
            distance = np.linalg.norm(self.points_px + shift - points, axis=1)[shared].mean()
        else:
            distance = np.hypot(*(self.centre_px + shift - centre))
        return float(distance) / unit + size_cost


def _body(people: Detection, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Body points [18, 2] px, which are visible [18], the box's centre [2] px and its size in px."""
    corner_0, corner_1 = people.boxes_px[row].reshape(2, 2)
    size = math.sqrt(max(1.0, float((corner_1 - corner_0).prod())))
    body = slice(BODY.start, BODY.stop)
    visible = is_visible(people.score[row, body])
    return people.keypoints_px[row, body], visible, (corner_0 + corner_1) / 2, size


def _claim(everybody: list[_Person], chosen: _Person, people: Detection, time_s: float) -> int:
    """Give a frame's detections to the people they belong to, and add newcomers; returns the chosen person's row."""
    lost_s = chosen.unseen_s(time_s)
    turns: tuple[list[_Person], ...] = [], [], []
    for person in everybody:
        # Who came while the chosen one was missing may be the chosen one.
        is_sure = person.num_sightings >= SURE_SIGHTINGS and abs(time_s - person.began_s) >= lost_s
        turns[2 if not is_sure else int(person.unseen_s(time_s) > RECENT_S)].append(person)
    free, chosen_row = list(range(people.num_people)), NOT_SEEN
    for choosing in turns:
        for person, row in _pairs(choosing, free, people, time_s):
            person.see(people, row, time_s)
            free.remove(row)
            if person is chosen:
                chosen_row = row
    everybody += [_Person.at(people, row, time_s) for row in free]
    return chosen_row


def _pairs(choosing: list[_Person], rows: list[int], people: Detection, time_s: float) -> list[tuple[_Person, int]]:
    """The cheapest assignment of people to detections; nobody takes one beyond their gate."""
    from scipy.optimize import linear_sum_assignment

    if not choosing or not rows:
        return []
    cost = np.array([[person.cost(people, row, time_s) for row in rows] for person in choosing])
    gates = np.array([[person.gate(time_s)] for person in choosing])  # [people, 1]
    cheapest = linear_sum_assignment(np.minimum(cost, gates))  # to take none costs as much as one at the gate
    return [(choosing[i], rows[j]) for i, j in zip(*cheapest, strict=True) if cost[i, j] < gates[i, 0]]
