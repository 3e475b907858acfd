"""Numbers of frames through networks of others: LPIPS, FID, FVD and KVD against a reference, LSE-D and LSE-C against
the speech; of whole frames and of faces, at the paper's 256x256 px.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ..poses import PoseSequence
from ..poses.motion_mask import Box
from ..poses.skeleton import FACE
from ..speech.recording import Recording
from .distributions import frechet_distance, kernel_distance, two_halves
from .frames import PAPER_SIDE_PX, scaled
from .i3d import CLIP_FRAMES, as_seen
from .measured import Measured
from .networks import NETWORK_FILES, Networks
from .syncnet import LipSync, face_squares

FRAME_STRIDE = 4  # of FID: neighbours are nearly the same picture
CLIP_STRIDE = 8  # of FVD's clips, MM-Diffusion's
MIN_SAMPLES = 4  # of the reference, which is cut into two halves
WHOLE, FACES = "whole", "face"
OURS, REFERENCE = "", " of the reference"
Features = Mapping[str, np.ndarray]  # "FID face of the reference" -> [N, D] float32


class _Features:
    """Takes the pictures of a video one after another, and holds sixteen of them at 224x224 px."""

    def __init__(self, networks: Networks) -> None:
        self._networks, self._t = networks, 0
        self._recent: list[Tensor] = []
        self.of_frames: list[np.ndarray] = []
        self.of_clips: list[np.ndarray] = []

    def add(self, picture: np.ndarray) -> None:
        """The next one, [256, 256, 3] uint8 RGB."""
        pixels = torch.from_numpy(picture).to(self._networks.device).permute(2, 0, 1).float()
        if self._networks.inception is not None and self._t % FRAME_STRIDE == 0:
            self.of_frames.append(self._networks.inception(pixels[None] / 255)[0].cpu().numpy())
        self._t += 1
        if self._networks.i3d is not None:
            self._recent = [*self._recent[1 - CLIP_FRAMES :], as_seen(pixels)]
            if len(self._recent) == CLIP_FRAMES and (self._t - CLIP_FRAMES) % CLIP_STRIDE == 0:
                clip = torch.stack(self._recent, dim=1)[None]
                self.of_clips.append(self._networks.i3d(clip)[0].cpu().numpy())


class NetworkMeasures:
    """Takes the frames of a video one after another; what it keeps of them is small (8 kB for each fourth frame).

    height_px, width_px: of the frames. poses: of the video, frame by frame; without them there are no faces. A face is
    the square around its points in all frames, so that it moves as in the video.
    """

    def __init__(self, networks: Networks, height_px: int, width_px: int, poses: PoseSequence | None = None) -> None:
        self._networks = networks
        self._regions: dict[str, Box] = {WHOLE: (0, 0, width_px, height_px)}
        self._lips: LipSync | None = None
        if poses is not None:
            face = face_region(poses, height_px, width_px)
            self._regions |= {} if face is None else {FACES: face}
            squares = None if networks.syncnet is None else face_squares(poses, height_px, width_px)
            if networks.syncnet is not None and squares is not None:
                self._lips = LipSync(networks.syncnet, squares, networks.device)
        self._features = {key: _Features(networks) for key in product(self._regions, (OURS, REFERENCE))}
        self._perceived: dict[str, list[float]] = {region: [] for region in self._regions}

    def add(self, frame: np.ndarray, reference: np.ndarray | None = None) -> None:
        """The next frame, [H, W, 3] uint8 RGB, and the reference's of the same size at the same time."""
        if self._lips is not None:
            self._lips.add(frame)
        networks = self._networks
        if reference is None or not (networks.lpips or networks.inception or networks.i3d):
            return
        for region, (x0, y0, x1, y1) in self._regions.items():
            pair = [scaled(each[y0:y1, x0:x1], PAPER_SIDE_PX, PAPER_SIDE_PX) for each in (frame, reference)]
            if networks.lpips is not None:
                self._perceived[region].append(networks.lpips.of_frames(*pair))
            for whose, picture in zip((OURS, REFERENCE), pair, strict=True):
                self._features[region, whose].add(picture)

    def features(self) -> Features:
        """What FID and FVD are distances of, to be put together with other videos'."""
        found = {}
        for (region, whose), features in self._features.items():
            for number, samples in (("FID", features.of_frames), ("FVD", features.of_clips)):
                if samples:
                    found[f"{number} {region}{whose}"] = np.stack(samples)
        return found

    def measured(self, recording: Recording | None = None) -> list[Measured]:
        """What the frames so far come to."""
        rows = []
        for region, values in self._perceived.items():
            if values:
                where = "" if region == WHOLE else " in the face"
                rows.append(
                    Measured(f"LPIPS {region} {PAPER_SIDE_PX}x{PAPER_SIDE_PX}", float(np.mean(values)), len(values),
                             "0 and more", "lower", "Zhang et al. 2018, AlexNet", "how different the frames look to "
                             f"people from the reference's{where}; 0 for equal ones")
                )  # fmt: skip
        rows += feature_measures(self.features())
        return rows if self._lips is None or recording is None else [*rows, *self._lips.measured(recording)]


def too_short_notes(networks: Networks, given: Mapping[str, bool], rows: Sequence[Measured]) -> list[str]:
    """A sentence for each network that is there, with all that it needs, and came to nothing. given: as of
    ``networks.missing_notes``."""
    measured = {row.name for row in rows}
    needed = {
        "inception": ("FID whole", f"{FRAME_STRIDE * (MIN_SAMPLES - 1) + 1} frames or more"),
        "i3d": ("FVD whole", f"{CLIP_FRAMES + CLIP_STRIDE * (MIN_SAMPLES - 1)} frames or more"),
        "syncnet": ("LSE-D", "6 frames or more, a face in them, and as much sound"),
    }
    return [
        f"{NETWORK_FILES[name].numbers}: needs {what}."
        for name, (row, what) in needed.items()
        if getattr(networks, name) is not None and row not in measured
        if all(given[each] for each in NETWORK_FILES[name].needs)
    ]


def face_region(poses: PoseSequence, height_px: int, width_px: int) -> Box | None:
    """The square around the face's points in all frames, moved into the picture; None where they are never seen."""
    poses = poses.sized(height_px, width_px)
    face = slice(FACE.start, FACE.stop)
    points = poses.pixels[:, face][poses.visible[:, face]].double().numpy()
    if not len(points):
        return None
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    side = int(np.clip(np.ceil(round(max(x1 - x0, y1 - y0), 3)), 1, min(height_px, width_px)))
    left, top = (
        int(np.clip(round(float(low + high - side) / 2), 0, size - side))
        for low, high, size in ((x0, x1, width_px), (y0, y1, height_px))
    )
    return left, top, left + side, top + side


def feature_measures(features: Features, seed: int = 0) -> list[Measured]:
    """FID, FVD and KVD of features, with the distance of two halves of the reference, drawn by the seed, beside them.

    Nothing for less than 2 samples, or 4 of the reference.
    """
    rows: list[Measured] = []
    for number, region in product(("FID", "FVD"), (WHOLE, FACES)):
        name = f"{number} {region}"
        both = [features.get(f"{name}{whose}") for whose in (OURS, REFERENCE)]
        if both[0] is None or both[1] is None or len(both[0]) < 2 or len(both[1]) < MIN_SAMPLES:
            continue
        own, reference = (samples.astype(np.float64) for samples in both if samples is not None)
        halves = two_halves(reference, seed)
        where, size = "" if region == WHOLE else " of the face", f"{PAPER_SIDE_PX}x{PAPER_SIDE_PX} px"
        against = f"{len(reference)} of the reference"
        if number == "FID":
            source = f"Heusel et al. 2017, Inception as in pytorch-fid, every fourth frame at {size}, {against}"
            meaning = f"how differently the single pictures{where} are distributed"
        else:
            source = f"Unterthiner et al. 2018, I3D as in cd-fvd, {CLIP_FRAMES} frames every {CLIP_STRIDE}, {against}"
            meaning = f"how differently pictures and their motion{where} are distributed"
        rows += [
            Measured(name, frechet_distance(own, reference), len(own), "features^2", "lower", source,
                     f"{meaning}; with few samples far too large: compare with the row of two halves"),
            Measured(f"{name} of two halves of the reference", frechet_distance(*halves), len(halves[0]), "features^2",
                     "none", source, "what equal distributions come to with half as many samples"),
        ]  # fmt: skip
        if number == "FVD":
            rows.append(
                Measured(f"KVD {region}", kernel_distance(own, reference), len(own), "features^6", "lower",
                         f"unbiased MMD^2 of FVD's features, cubic kernel, {against}", f"{meaning}, by another measure "
                         "that few samples do not lift; around 0 for equal ones")
            )  # fmt: skip
    return rows
