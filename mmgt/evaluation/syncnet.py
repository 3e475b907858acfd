"""LSE-D and LSE-C (Prajwal et al. 2020): how well lips fit the speech, by SyncNet (Chung and Zisserman 2016), with a
file that the user places.

LSE-D is the distance, lower is better; LSE-C the confidence, higher is better. The paper's tables have the two swapped:
their "Syn-C" is LSE-D and their "Syn-D" LSE-C, as arrows and ranges say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..poses import PoseSequence
from ..poses.skeleton import FACE
from ..speech.recording import SPEECH_RATE_HZ, Recording
from .backbone import load_backbone, open_backbone
from .measured import Measured

BACKBONE = "syncnet_v2.model"
ADVICE = f"{BACKBONE} is SyncNet's, of joonson/syncnet_python (download_model.sh there names its place)"
FIRST, FIRST_WIDTH, LAST = "netcnnaud.0.weight", 64, "netfcaud.3.weight"
SIDE_PX, WINDOW_FRAMES = 224, 5
MFCC_PER_FRAME, MFCC_WINDOW = 4, 20  # of 10 ms
NUM_MFCC, NUM_BANDS, NUM_FFT = 13, 26, 512
FRAME_SAMPLES, HOP_SAMPLES = 400, 160  # 25 and 10 ms
EMPHASIS, LIFTER, INT16 = 0.97, 22, 2**15
MAX_OFFSET = 15  # frames to each side
CROP_SCALE = 0.4  # of the box's half side around it, as in run_pipeline.py
FOREHEAD = 0.5  # of brows to chin: a face is that high above the brows, up to where face detectors' boxes end
SMOOTH_FRAMES = 13
GREY = 110  # beyond the picture
EPSILON = 1e-6  # torch's pairwise_distance


def _sound_layers(scale: float) -> nn.Sequential:
    a, b, c, d, e = (round(width * scale) for width in (64, 192, 384, 256, 512))
    return nn.Sequential(
        *_conv(nn.Conv2d(1, a, 3, padding=1)), nn.MaxPool2d(1),
        *_conv(nn.Conv2d(a, b, 3, padding=1)), nn.MaxPool2d(3, (1, 2)),
        *_conv(nn.Conv2d(b, c, 3, padding=1)),
        *_conv(nn.Conv2d(c, d, 3, padding=1)),
        *_conv(nn.Conv2d(d, d, 3, padding=1)), nn.MaxPool2d(3, 2),
        *_conv(nn.Conv2d(d, e, (5, 4))),
    )  # fmt: skip


def _lip_layers(scale: float) -> nn.Sequential:
    a, b, c = (round(width * scale) for width in (96, 256, 512))
    pool, rim = (1, 3, 3), (0, 1, 1)
    halved = (1, 2, 2)
    return nn.Sequential(
        *_conv(nn.Conv3d(3, a, (WINDOW_FRAMES, 7, 7), halved)), nn.MaxPool3d(pool, halved),
        *_conv(nn.Conv3d(a, b, (1, 5, 5), halved, rim)), nn.MaxPool3d(pool, halved, rim),
        *_conv(nn.Conv3d(b, b, pool, padding=rim)),
        *_conv(nn.Conv3d(b, b, pool, padding=rim)),
        *_conv(nn.Conv3d(b, b, pool, padding=rim)), nn.MaxPool3d(pool, halved),
        *_conv(nn.Conv3d(b, c, (1, 6, 6))),
    )  # fmt: skip


def _conv(layer: nn.Conv2d | nn.Conv3d) -> tuple[nn.Module, nn.Module, nn.Module]:
    norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm3d
    return layer, norm(layer.out_channels), nn.ReLU()


def _head(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, before), nn.BatchNorm1d(before), nn.ReLU(), nn.Linear(before, after))


class SyncNet(nn.Module):
    """Lips and 0.2 s of sound -> vectors that lie near where they belong together. scale: of all channels; after:
    of the vectors; 1 and 1024 for the published file."""

    def __init__(self, scale: float = 1.0, after: int = 1024) -> None:
        super().__init__()
        width = round(512 * scale)
        self.netcnnaud, self.netfcaud = _sound_layers(scale), _head(width, after)
        self.netcnnlip, self.netfclip = _lip_layers(scale), _head(width, after)

    @torch.no_grad()
    def of_sound(self, mfcc: Tensor) -> Tensor:
        """[B, 1, 13, 20] -> [B, 1024]."""
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    @torch.no_grad()
    def of_lips(self, faces: Tensor) -> Tensor:
        """[B, 3, 5, 224, 224] BGR in 0..255 -> [B, 1024]."""
        return self.netfclip(self.netcnnlip(faces).flatten(1))


def load_syncnet(path: Path) -> SyncNet:
    """Raises InputError for a file that is none."""
    tensors = open_backbone(path, FIRST, "SyncNet", ADVICE)
    with torch.device("meta"):
        network = SyncNet(len(tensors[FIRST]) / FIRST_WIDTH, len(tensors[LAST]) if LAST in tensors else 1024)
    return load_backbone(network, tensors, path, "LSE-D and LSE-C", ADVICE)


def mfcc(waveform: np.ndarray) -> np.ndarray:
    """[S] float32 -1..1 at 16 kHz -> [n, 13] float64, one each 10 ms, as SyncNet learned from: those of
    python_speech_features, of 16-bit samples."""
    from scipy.fft import dct

    samples = np.clip(np.round(waveform.astype(np.float64) * INT16), -INT16, INT16 - 1)
    samples = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1])
    num = 1 + max(0, -(-(len(samples) - FRAME_SAMPLES) // HOP_SAMPLES))
    samples = np.pad(samples, (0, max(0, (num - 1) * HOP_SAMPLES + FRAME_SAMPLES - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES][:num]
    power = np.abs(np.fft.rfft(frames, NUM_FFT)) ** 2 / NUM_FFT
    tiny = np.finfo(np.float64).eps
    bands, energy = (np.where(each == 0, tiny, each) for each in (power @ _bands().T, power.sum(axis=1)))
    cepstrum = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, :NUM_MFCC]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(NUM_MFCC) / LIFTER)
    cepstrum[:, 0] = np.log(energy)
    return cepstrum


def _bands() -> np.ndarray:
    """[26, 257]: triangles that are equally wide in mel, their corners at whole bins."""
    mel = np.linspace(0, 2595 * np.log10(1 + SPEECH_RATE_HZ / 2 / 700), NUM_BANDS + 2)
    corners = np.floor((NUM_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / SPEECH_RATE_HZ)
    bins, bands = np.arange(NUM_FFT // 2 + 1), np.zeros((NUM_BANDS, NUM_FFT // 2 + 1))
    for band, (low, top, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        rising, falling = (bins >= low) & (bins < top), (bins >= top) & (bins < high)
        bands[band, rising] = (bins[rising] - low) / (top - low)
        bands[band, falling] = (high - bins[falling]) / (high - top)
    return bands


def face_squares(poses: PoseSequence, height_px: int, width_px: int) -> np.ndarray | None:
    """[T, 3] float64: middle x, y and half side in px of the face in each frame, or None where it is never seen.

    A face is the box around its points, up to the hairline; where it is hidden it moves linearly. A running median over
    13 frames, as SyncNet's own pipeline has it.
    """
    from scipy.signal import medfilt

    poses = poses.sized(height_px, width_px)
    xy, seen = poses.pixels[:, FACE.start : FACE.stop].double(), poses.visible[:, FACE.start : FACE.stop]
    (shown,) = np.nonzero(seen.any(dim=1).numpy())
    if not len(shown):
        return None
    xy, hidden = xy[shown], ~seen[shown, :, None]
    x0, y0 = xy.masked_fill(hidden, np.inf).amin(dim=1).numpy().T
    x1, y1 = xy.masked_fill(hidden, -np.inf).amax(dim=1).numpy().T
    y0 = y0 - FOREHEAD * (y1 - y0)
    squares = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, np.maximum(x1 - x0, y1 - y0) / 2])
    tracks = [np.interp(np.arange(poses.num_frames), shown, values) for values in squares]
    return np.stack([_median(track, medfilt) for track in tracks], axis=1)


def _median(track: np.ndarray, medfilt: Callable[..., np.ndarray]) -> np.ndarray:
    """Running median; the ends go on as they are (SyncNet's own median takes zeros there)."""
    rim = SMOOTH_FRAMES // 2
    return medfilt(np.pad(track, rim, mode="edge"), SMOOTH_FRAMES)[rim:-rim]


def face_crop(frame: np.ndarray, square: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 RGB and a square of ``face_squares`` -> [224, 224, 3] uint8 BGR: the lower part of the face and
    what is around it, as SyncNet's own pipeline cuts it; grey beyond the picture."""
    import cv2

    x, y, half = square
    rim = int(half * (1 + 2 * CROP_SCALE))
    padded = cv2.copyMakeBorder(frame[..., ::-1], rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    x, y = x + rim, y + rim
    top, bottom = int(y - half), int(y + half * (1 + 2 * CROP_SCALE))
    left, right = int(x - half * (1 + CROP_SCALE)), int(x + half * (1 + CROP_SCALE))
    crop = padded[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if crop.size == 0:  # a face that lies outside of the picture
        return np.full((SIDE_PX, SIDE_PX, 3), GREY, np.uint8)
    return cv2.resize(crop, (SIDE_PX, SIDE_PX))


@dataclass(frozen=True)
class SyncScores:
    """distance: LSE-D. confidence: LSE-C. late_frames: by how many frames the lips come late, below 0: early."""

    distance: float
    confidence: float
    late_frames: int


def sync_scores(lips: np.ndarray, sound: np.ndarray) -> SyncScores:
    """Vectors [N, E] of lips and of sound at the same times -> how well they fit.

    The mean distance at each offset of -15..15 frames, zeros beyond both ends: LSE-D is the least of them, LSE-C the
    median minus the least (syncnet_python, with the offsets of Wav2Lip's evaluation).
    """
    padded = np.pad(sound, ((MAX_OFFSET, MAX_OFFSET), (0, 0)))
    distances = [
        np.linalg.norm(lips - padded[shift : shift + len(lips)] + EPSILON, axis=1).mean()
        for shift in range(2 * MAX_OFFSET + 1)
    ]
    best = int(np.argmin(distances))
    least = float(distances[best])
    return SyncScores(least, float(np.median(distances)) - least, MAX_OFFSET - best)


class LipSync:
    """Takes the frames of a video one after another; holds five faces and a vector for each frame."""

    def __init__(self, network: SyncNet, squares: np.ndarray, device: torch.device) -> None:
        self._network, self._squares, self._device = network, squares, device
        self._faces: list[Tensor] = []
        self._lips: list[np.ndarray] = []
        self._t = 0

    def add(self, frame: np.ndarray) -> None:
        """The next frame, [H, W, 3] uint8 RGB; none beyond the poses."""
        if self._t < len(self._squares):
            face = torch.from_numpy(face_crop(frame, self._squares[self._t])).permute(2, 0, 1).float()
            self._faces = [*self._faces[1 - WINDOW_FRAMES :], face]
            if len(self._faces) == WINDOW_FRAMES:
                window = torch.stack(self._faces, dim=1)[None].to(self._device)
                self._lips.append(self._network.of_lips(window)[0].cpu().numpy())
        self._t += 1

    def measured(self, recording: Recording) -> list[Measured]:
        """Nothing for less than six frames of both."""
        features = mfcc(recording.mono_at(SPEECH_RATE_HZ))
        length = min(self._t, len(self._squares), recording.samples.shape[1] * 25 // recording.rate_hz)
        num = length - WINDOW_FRAMES  # as syncnet_python counts, which leaves the last window out
        if num < 1:
            return []
        starts = np.arange(num) * MFCC_PER_FRAME
        windows = np.stack([features[start : start + MFCC_WINDOW].T for start in starts])
        sound = self._network.of_sound(torch.from_numpy(windows).float()[:, None].to(self._device)).cpu().numpy()
        scores = sync_scores(np.stack(self._lips[:num]).astype(np.float64), sound.astype(np.float64))
        source = "SyncNet, offsets of 15 frames to each side; faces by the poses"
        return [
            Measured("LSE-D", scores.distance, num, "0 and more", "lower", source,
                     "how far lips lie from the speech where they fit best; real videos have 6 to 8 (the paper's "
                     "\"Syn-C\")"),
            Measured("LSE-C", scores.confidence, num, "0 and more", "higher", source,
                     "how much better lips fit there than elsewhere; real videos have 6 to 8 (the paper's "
                     "\"Syn-D\")"),
            Measured("lip lag by SyncNet", scores.late_frames, num, "frames", "none", source,
                     "by how many frames the lips come late, below 0: early; 0 is best"),
        ]  # fmt: skip
