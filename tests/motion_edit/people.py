"""Two people who move: all points in the plane of the picture, so that every bone has one length."""

import numpy as np
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.motion_edit.tree import PARENT, from_bones, from_complex, to_bones, to_complex
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import FACE, LEFT_HAND, RIGHT_HAND

ARMS = [3, 4, 6, 7]
HEAD = [0, 14, 15, 16, 17, *FACE]
BODY_PX = {1: (256, 230), 2: (166, 230), 5: (346, 230), 3: (130, 330), 6: (382, 330), 4: (170, 420), 7: (342, 420)}


def still(width_px: int = 512, height_px: int = 512) -> PoseSequence:
    """The astronaut's face, upright, with a whole body and two hands."""
    face = load_poses(ASTRONAUT_POSE)
    xy, score = face.pixels[0].clone(), torch.ones(1, 134)
    xy += torch.tensor([256.0, 130.0]) - xy[0]
    for point, place in BODY_PX.items():
        xy[point] = torch.tensor(place, dtype=torch.float32)
    for i, point in enumerate([8, 9, 10, 11, 12, 13]):
        xy[point] = torch.tensor([200.0 + 110 * (i // 3), 430 + 120 * (i % 3)])
    for i, point in enumerate(range(18, 24)):
        xy[point] = xy[13 if i < 3 else 10] + torch.tensor([5.0 * i, 12.0])
    for hand, elbow, wrist in ((LEFT_HAND, 6, 7), (RIGHT_HAND, 3, 4)):
        along = (xy[wrist] - xy[elbow]) / (xy[wrist] - xy[elbow]).norm()
        across = torch.tensor([-along[1], along[0]])
        for i, point in enumerate(hand):
            finger, joint = divmod(i - 1, 4)
            xy[point] = xy[wrist] if i == 0 else xy[wrist] + along * (14 + 9 * joint) + across * 6 * (finger - 2)
    return PoseSequence.from_pixels(xy[None], score, height_px=height_px, width_px=width_px)


def moving(person: PoseSequence, num_frames: int = 60, seed: int = 0) -> PoseSequence:
    """Frame 0 is the still; then the person sways, waves, nods and opens the mouth."""
    rng = np.random.default_rng(seed)
    z, _ = to_complex(person)
    t = np.arange(num_frames)[:, None]
    bones = np.repeat(to_bones(z, z), num_frames, axis=0)
    turns = 0.5 * np.sin(t * rng.uniform(0.1, 0.4, 4)) * rng.choice([-1, 1], 4)
    bones[:, ARMS] *= np.exp(1j * turns)
    for hand, wrist in ((LEFT_HAND, 3), (RIGHT_HAND, 1)):
        bones[:, list(hand)] *= np.exp(1j * turns[:, [wrist]])
    bones[:, HEAD] *= np.exp(0.1j * np.sin(t * 0.2))
    bones[:, 1] += (10 * np.sin(t * 0.13) + 4j * np.sin(t * 0.3))[:, 0]
    opening = 3 * np.abs(np.sin(t * rng.uniform(0.5, 0.8)))
    bones[:, 89:92] += 1j * opening
    bones[:, 85:88] -= 0.3j * opening
    return track_of(from_bones(bones), person)


def track_of(z: np.ndarray, like: PoseSequence) -> PoseSequence:
    size = {"height_px": like.height_px, "width_px": like.width_px}
    return PoseSequence.from_pixels(torch.from_numpy(from_complex(z)), like.score[:1].repeat(len(z), 1), **size)


def child(height_px: int = 300, width_px: int = 400) -> PoseSequence:
    """Small, with short arms and legs, a large head, small hands, elsewhere and with the arms held otherwise."""
    z, _ = to_complex(still())
    scale = np.full(134, 0.5)
    scale[HEAD] *= 1.4
    scale[ARMS] *= 0.75
    scale[[*LEFT_HAND, *RIGHT_HAND]] *= 0.8
    bones = to_bones(z, z) * scale
    bones[:, ARMS] *= np.exp(1j * np.array([0.4, -1.5, -0.3, 0.8]))
    bones[:, 1] = 180 + 140j
    placed = PoseSequence(torch.zeros(1, 134, 2), torch.ones(1, 134), 25, height_px, width_px)
    return track_of(from_bones(bones), placed)


def bone_lengths(poses: PoseSequence) -> torch.Tensor:
    """[T, 134] px, from the parent; 0 for the neck."""
    return (poses.pixels - poses.pixels[:, torch.from_numpy(PARENT)]).norm(dim=-1)


def shoulder_px(poses: PoseSequence) -> float:
    return float((poses.pixels[0, 2] - poses.pixels[0, 5]).norm())


def opening_px(poses: PoseSequence) -> np.ndarray:
    return (poses.pixels[:, 90] - poses.pixels[:, 86]).norm(dim=-1).numpy()
