"""IMAGE, MASK, AUDIO, POSE_KEYPOINT <-> mmgt values: the one place of layout and range conversion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comfy_api.latest import Input, InputImpl, Types
from torch import Tensor

from ..mmgt.errors import InputError
from ..mmgt.media import VideoStream, write_video
from ..mmgt.mmhaa.pictures import PictureSize
from ..mmgt.openpose import poses_from_openpose
from ..mmgt.poses import PoseSequence
from ..mmgt.preview.bands import bands
from ..mmgt.provenance import Provenance
from ..mmgt.speech.recording import Recording
from . import host

SIZE_KEY = "mmgt_size_px"  # in our LATENT: height, width of the video, whose canvas is padded to 64 px

MIN_SIZE_PX = 16  # of what is drawn
TRIMMED_S = 0.1  # a VIDEO that is this much shorter than its file shows a part of it


def latent(samples: Tensor, size: PictureSize) -> dict[str, Any]:
    """LATENT of frames [T, 4, h, w] that remembers the video's own size."""
    return {"samples": samples, SIZE_KEY: (size.height_px, size.width_px)}


def cropped(frames: Tensor, latent: dict[str, Any]) -> Tensor:
    """Frames [F, H, W, 3] of a LATENT without the canvas' padding, also where the latents were scaled since."""
    height, width = latent.get(SIZE_KEY, frames.shape[1:3])
    size = PictureSize(height, width)
    rows, columns = frames.shape[1] / size.canvas_height_px, frames.shape[2] / size.canvas_width_px
    if SIZE_KEY not in latent or rows != columns:
        return frames
    return frames[:, : round(height * rows), : round(width * columns)]


def joined(chunks: Iterable[Tensor], num_frames: int) -> Tensor:
    """Chunks of frames [F, H, W, 3] -> IMAGE [num_frames, H, W, 3]; no second copy of the batch is held."""
    batch, t = None, 0
    for chunk in chunks:
        if batch is None:
            batch = torch.empty(num_frames, *chunk.shape[1:])
        batch[t : t + len(chunk)] = chunk
        t += len(chunk)
    if batch is None:
        raise InputError("the latent holds 0 frames; there is nothing to decode.")
    return batch


def picture(image: Tensor) -> np.ndarray:
    """First picture of an IMAGE [B, H, W, C] 0..1 -> [H, W, 3] uint8 RGB; grey is taken as RGB, alpha is left out.

    Raises InputError for what is no picture, or has pixels that are no numbers.
    """
    if not isinstance(image, Tensor) or image.ndim != 4 or 0 in image.shape or image.shape[-1] not in (1, 3, 4):
        got = f"the shape {list(image.shape)}" if isinstance(image, Tensor) else f"no pictures ({image})"
        raise InputError(
            f"the IMAGE has {got}; it must be [pictures, height, width, channels] with 1, 3 or 4 channels. Connect "
            "Load Image, or a node that makes an IMAGE of it."
        )
    height, width = image.shape[1:3]
    pixels = np.empty((height, width, 3), np.uint8)
    for rows in bands(height, width):  # a photo of 36 Mpx takes more than a second
        host.check_interrupt()
        band = image[0, rows, :, :3].float()
        if not torch.isfinite(band).all():
            raise InputError(
                "the IMAGE holds pixels that are no numbers (NaN or infinite), as a VAE in fp16 makes them; load the "
                "photo again, or decode it in fp32."
            )
        pixels[rows] = (band.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return pixels


def pictures(images: Tensor) -> Iterator[np.ndarray]:
    """IMAGE [B, H, W, C] 0..1 -> [H, W, 3] uint8 RGB, one by one."""
    return (picture(images[t : t + 1]) for t in range(len(images)))


def timed_frames(value: Any, fps: float) -> tuple[Iterable[tuple[float, np.ndarray]], int]:
    """IMAGE at ``fps``, or VIDEO at its own rate -> (time in s, [H, W, 3] uint8) one by one, and how many there are."""
    if isinstance(value, Tensor):
        return ((t / fps, picture(value[t : t + 1])) for t in range(len(value))), len(value)
    if not isinstance(value, Input.Video):
        raise InputError(f"there are no frames ({value}); connect a VIDEO (Load Video) or an IMAGE batch.")
    if not isinstance(value, InputImpl.VideoFromComponents):  # which holds its frames anyway
        source = value.get_stream_source()
        stream = VideoStream(Path(source) if isinstance(source, str) else source)
        if value.get_duration() > stream.seconds - TRIMMED_S:
            return stream, stream.num_frames
    components = value.get_components()  # cut to a part of its file, which only this reads
    return timed_frames(components.images, float(components.frame_rate))


def image(frames: np.ndarray) -> Tensor:
    """[..., H, W, 3] uint8 RGB -> float32 0..1."""
    return torch.tensor(frames).float() / 255


def image_batch(frames: Iterable[np.ndarray], num_frames: int) -> Tensor:
    """``num_frames`` frames [H, W, 3] uint8 RGB, taken one by one -> IMAGE; no second copy of the batch is held."""
    batch: Tensor | None = None
    for t, frame in enumerate(frames):
        if batch is None:
            batch = torch.empty(num_frames, *frame.shape)
        batch[t] = image(frame)
    if batch is None:
        raise InputError("there is no frame to show; the pose sequence is empty.")
    return batch


def person_mask(mask: Tensor) -> np.ndarray:
    """First MASK of [B, H, W] -> [H, W] float32 0..1. Raises InputError for an empty mask."""
    first = np.nan_to_num(mask.reshape(-1, *mask.shape[-2:])[0].float().cpu().numpy())
    if first.max() <= 0.5:
        raise InputError(
            "the person mask is empty; it must be 1 on the person (LoadImage's MASK is 1 where a picture is "
            "transparent: invert it). Or disconnect it to let Preview Motion find the person."
        )
    return first


def recording(audio: Mapping[str, Any] | None) -> Recording:
    """First item of an AUDIO {waveform [B, C, S], sample_rate} -> Recording. Raises InputError for none."""
    given = audio if isinstance(audio, Mapping) else {}
    waveform = given.get("waveform")
    if not isinstance(waveform, Tensor) or waveform.ndim != 3 or 0 in waveform.shape:
        got = f"{list(waveform.shape)}" if isinstance(waveform, Tensor) else "none"
        raise InputError(
            f"the AUDIO holds no sound (waveform: {got}; it must be [items, channels, samples]). A video without a "
            "sound track gives such an AUDIO: connect Load Audio with a recording instead."
        )
    return Recording(waveform[0].float().cpu().numpy(), int(given["sample_rate"]))


def audio(recording: Recording) -> dict[str, Any]:
    """Recording -> AUDIO {waveform [1, C, S], sample_rate}."""
    return {"waveform": torch.from_numpy(recording.samples)[None], "sample_rate": recording.rate_hz}


def poses(value: Any) -> PoseSequence:
    """MMGT_POSES as it is; POSE_KEYPOINT converted (first person of each frame)."""
    return value if isinstance(value, PoseSequence) else poses_from_openpose(value)


def canvas(width_px: int, height_px: int) -> tuple[int, int] | None:
    """Width and height of ``sockets.canvas_inputs``, None where both are 0. Raises InputError where one is."""
    if (width_px > 0) != (height_px > 0):
        raise InputError(
            f"the canvas is {width_px}x{height_px} px; give both sides of the picture that the poses are of, or 0 for "
            "both: as the data says."
        )
    return (width_px, height_px) if width_px else None


def picture_of(image: Tensor, poses: PoseSequence) -> np.ndarray:
    """First picture of an IMAGE that the poses are laid over. Raises InputError if the aspects differ."""
    first = picture(image)
    height, width = first.shape[:2]
    poses.still_on(height, width, "the pose sequence")
    return first


def size(poses: PoseSequence, width_px: int, height_px: int) -> tuple[int, int]:
    """Height and width of pictures of the poses: 0 is their picture's, or what goes with the other side.

    Raises InputError for a side below ``MIN_SIZE_PX``.
    """
    if width_px and not height_px:
        height_px = round(width_px * poses.height_px / poses.width_px)
    elif height_px and not width_px:
        width_px = round(height_px * poses.width_px / poses.height_px)
    height_px, width_px = height_px or poses.height_px, width_px or poses.width_px
    if min(height_px, width_px) < MIN_SIZE_PX:
        raise InputError(
            f"the size is {width_px}x{height_px} px; both sides must be at least {MIN_SIZE_PX} px, or 0 for the "
            "picture's."
        )
    return height_px, width_px


def initial_pose(value: Any, image: Tensor) -> PoseSequence:
    """The first frame of poses, placed on an IMAGE. Raises InputError if the aspects differ."""
    return poses(value).still_on(image.shape[1], image.shape[2], "the initial pose")


def video(frames: Tensor, fps: float, audio: dict[str, Any] | None, provenance: Provenance) -> Any:
    """VIDEO of an IMAGE batch with its AUDIO untouched. Odd sizes are padded by their last row or column for H.264."""
    height, width = frames.shape[1:3]
    even = (
        torch.nn.functional.pad(frames.movedim(-1, 1), (0, width % 2, 0, height % 2), mode="replicate").movedim(1, -1)
        if height % 2 or width % 2
        else frames
    )
    rate = Fraction(fps).limit_denominator(1001)
    return _Video(Types.VideoComponents(images=even, audio=audio, frame_rate=rate), provenance)


class _Video(InputImpl.VideoFromComponents):
    """A VIDEO that is marked as generated when it is saved.

    *Save Video* writes it as BT.709, as today's core does by itself and 0.3.64's does not.
    """

    def __init__(self, components: Any, provenance: Provenance) -> None:
        super().__init__(components)
        self.provenance = provenance

    def save_to(
        self,
        path: Any,
        format: Any = Types.VideoContainer.AUTO,
        codec: Any = Types.VideoCodec.AUTO,
        metadata: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        is_ours = not hasattr(InputImpl.VideoFromComponents, "get_color_space") and not others
        is_ours &= format in (Types.VideoContainer.AUTO, Types.VideoContainer.MP4)
        is_ours &= codec in (Types.VideoCodec.AUTO, Types.VideoCodec.H264)
        if not is_ours or not isinstance(path, (str, Path)) or Path(path).exists():  # which write_video keeps
            given = {"format": format, "codec": codec, "metadata": metadata, **others}
            host.save_marked(super().save_to, self.provenance, path, **given)
            return
        video = self.get_components()
        sound = None if video.audio is None else recording(video.audio)
        texts = {name: json.dumps(value) for name, value in (metadata or {}).items()}
        frames = pictures(video.images)
        write_video(Path(path), frames, float(video.frame_rate), sound, metadata=texts, provenance=self.provenance)
