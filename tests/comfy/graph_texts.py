"""What the bundled graphs are made of, in the order of the template browser: groups of nodes in columns, and the note.

A title there is the file's name: a pack cannot give another one (an ``index.json`` would be listed as one more graph).
"""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Node:
    """key: by which others name it. inputs: socket -> "key" or "key.output". picture: room for what it shows on
    itself. muted: it does not run until the user lets it."""

    key: str
    type: str
    inputs: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    width: int = 240
    picture: int = 0
    muted: bool = False


@dataclass(frozen=True)
class Group:
    title: str
    nodes: list[Node]
    colour: str = "#8cc8f5"


@dataclass(frozen=True)
class Graph:
    note: str
    columns: list[list[Group]]


def _file(name, directory, path):
    return {"name": name, "url": f"https://huggingface.co/{path}", "directory": directory}


AUTHORS = "addtime/MMGT_pretrained/resolve/main"
SMGA, MMHAA = "audio2pose_best_model.pt", "net-32500.pth"
VAE, CLIP = "sd-vae-ft-mse.safetensors", "sd-image-variations-image-encoder.bin"
WAVLM, WAV2VEC2 = "wavlm-large.bin", "wav2vec2-base-960h.safetensors"
YOLOX, DWPOSE = "yolox_l.onnx", "dw-ll_ucoco_384.onnx"
FILES = {
    file["name"]: file
    for file in (
        _file(SMGA, "mmgt", f"{AUTHORS}/stage_1/{SMGA}"),
        _file(MMHAA, "mmgt", f"{AUTHORS}/stage_2/process_2/{MMHAA}"),
        _file(VAE, "vae", "stabilityai/sd-vae-ft-mse/resolve/main/diffusion_pytorch_model.safetensors"),
        _file(
            CLIP,
            "clip_vision",
            "lambdalabs/sd-image-variations-diffusers/resolve/main/image_encoder/pytorch_model.bin",
        ),
        _file(WAV2VEC2, "audio_encoders", "facebook/wav2vec2-base-960h/resolve/main/model.safetensors"),
        _file(WAVLM, "audio_encoders", "microsoft/wavlm-large/resolve/main/pytorch_model.bin"),
        _file(YOLOX, "mmgt", "yzd-v/DWPose/resolve/main/yolox_l.onnx"),
        _file(DWPOSE, "mmgt", "yzd-v/DWPose/resolve/main/dw-ll_ucoco_384.onnx"),
    )
}
SMALL_SMGA, SMALL_MMHAA, SMALL_VAE = "smga_tiny.safetensors", "mmhaa_tiny.safetensors", "taesd_tiny.safetensors"
SMALL_GESTURES = "contextual_gesture_tiny.safetensors"
NO_WAVLM = NO_WAV2VEC2 = "none: hand-crafted features only"
GREEN, GREY = "#b5e8a0", "#ccc"
PICTURE, FRAME, SMALL = 220, 170, 120
PHOTO, SPEECH = "example.portrait", "example.speech"
OWN = (
    "For your own photo and recording put *Load Image* and *Load Audio* in the place of *Example Portrait and Speech*."
)
AUTHORS_NOTE = (
    "The links of the authors' two files are what their configuration implies; nobody here could try them. "
    "If one fails, their page github.com/SIA-IDE/MMGT names the repository."
)
WITHOUT_DWPOSE = (
    "DWPose's two .onnx files find the person. Without them set *Load Pose Detector* to `auto`, twice: it takes an "
    "installed "
    "MediaPipe, and knows the example portrait without either."
)
WITHOUT_SMGA = "**Without SMGA's file** put *Rhythm Audio2Pose* in the place of *SMGA Audio2Pose Sampler*."


def given(*more: Node, example: str = "MMGT_ExamplePortraitAndSpeech") -> Group:
    return Group("1 Photo, speech", [Node("example", example, width=260), *more])


def detector(files: bool = True) -> Node:
    return Node("detector", "MMGT_LoadPoseDetector", values={"detector": YOLOX, "pose": DWPOSE} if files else {})


def initial_pose(picture: int = PICTURE) -> Node:
    return Node("initial", "MMGT_DWPoseInitialPose", {"detector": "detector", "image": PHOTO}, picture=picture)


def encoder(wavlm: str = WAVLM, wav2vec2: str = WAV2VEC2) -> Node:
    return Node("encoder", "MMGT_LoadAudioEncoder", values={"wavlm": wavlm, "wav2vec2": wav2vec2})


def encode(speech: str) -> Node:
    return Node("features", "MMGT_EncodeSpeech", {"audio": speech, "encoder": "encoder"})


LOAD_SMGA = Node("smga", "MMGT_LoadSMGAModel", values={"smga": SMGA})
SAMPLE_SMGA = Node(
    "gestures",
    "MMGT_SMGAAudio2PoseSampler",
    {"smga": "smga", "speech": "features", "initial_pose": "initial"},
)
RHYTHM = Node("gestures", "MMGT_RhythmAudio2Pose", {"audio": SPEECH, "initial_pose": "initial"})
LOADERS = [
    Node("mmhaa", "MMGT_LoadMMHAAModel", values={"mmhaa": MMHAA}),
    Node("vae", "VAELoader", values={"vae_name": VAE}),
    Node("clip", "CLIPVisionLoader", values={"clip_name": CLIP}),
]


def mmhaa(poses: str, *, masks: bool = False, clip: bool = True, key: str = "video", **more) -> Node:
    sockets = {"model": "mmhaa", "vae": "vae", "image": PHOTO, "poses": poses}
    sockets |= {"clip_vision": "clip"} if clip else {}
    sockets |= {"speech": "features"} | ({"face": "masks.face", "lips": "masks.lips"} if masks else {})
    values = more.pop("values", {})
    return Node(key, "MMGT_MMHAAVideoSampler", sockets | more, values, width=280)


def decode(speech: str = SPEECH) -> Node:
    return Node("decoded", "MMGT_DecodeVideo", {"latent": "video", "vae": "vae", "audio": speech}, width=220)


def decode_to_file(latent: str, prefix: str) -> Node:
    given = {"latent": latent, "vae": "vae", "audio": SPEECH}
    return Node("saved", "MMGT_DecodeVideoToFile", given, {"filename_prefix": prefix}, picture=280)


def _decoded(latent: str) -> Node:
    return Node(f"{latent}_pictures", "MMGT_DecodeVideo", {"latent": latent, "vae": "vae", "audio": SPEECH}, width=220)


def _evaluated(which: str, **more: str) -> Node:
    given = {"image": f"{which}_pictures.image", "poses": "gestures", "audio": SPEECH, "photo": PHOTO}
    return Node(f"{which}_numbers", "MMGT_Evaluate", given | more, width=280, picture=300)


def _ablations() -> Node:
    given = {"model": "mmhaa", "vae": "vae", "image": PHOTO, "poses": "gestures", "speech": "features"}
    given |= {"audio": SPEECH, "driving_poses": "other"}
    return Node("ablations", "MMGT_Ablations", given, {"preset": "small"}, width=280, picture=300)


def _beside() -> Node:
    given = {"image1": "a_pictures.image", "image2": "b_pictures.image"}
    return Node("beside", "ImageStitch", given)


def _beside_video() -> Node:
    return Node("beside_video", "CreateVideo", {"images": "beside", "audio": SPEECH}, {"fps": 25})


def _contextual(key: str, kind: str, poses: str | None = None, initial: bool = True) -> Node:
    given = {"contextual_gesture": "contextual", "speech": "features"}
    given |= {"initial_pose": "initial"} if initial else {}
    return Node(key, kind, given | ({"poses": poses} if poses else {}))


def _drawn(way: str) -> Node:
    return Node(f"{way}_drawn", "MMGT_DrawPoses", {"poses": way}, {"width": 384, "height": 384}, picture=FRAME)


def preview(poses: str) -> Node:
    given = {"image": PHOTO, "poses": poses, "initial_pose": "initial", "audio": SPEECH}
    return Node("preview", "MMGT_PreviewMotion", given, picture=PICTURE)


def before(wavlm: str = WAVLM, wav2vec2: str = WAV2VEC2, *, smga: bool = True, film: bool = False) -> list[list[Group]]:
    """The first two columns: what is given and what looks and listens; what they find, and SMGA's file."""
    more = [Node("film", "LoadVideo", values={"file": "filmed.mp4"})] if film else []
    more += [Node("sound", "LoadAudio", values={"audio": "filmed.mp4"})] if film and not smga else []
    filmed = Node("filmed", "MMGT_DWPosePoseVideo", {"detector": "detector", "frames": "film"}, picture=SMALL)
    speech = "sound.AUDIO" if film and not smga else SPEECH
    return [
        [given(*more), Group("2 Detect, encode", [detector(), encoder(wavlm, wav2vec2)])],
        [
            Group("3 The person", [initial_pose(picture=SMALL if film else PICTURE), *([filmed] if film else [])]),
            Group("4 Encode speech", [encode(speech), *([LOAD_SMGA] if smga else [])]),
        ],
    ]


def files_of_mmhaa(number: int) -> Group:
    return Group(f"{number} Files of MM-HAA", LOADERS)


def save_video(video: str, prefix: str, key: str = "saved") -> Node:
    return Node(key, "SaveVideo", {"video": video}, {"filename_prefix": prefix}, width=220)


def video_file(number: int, decoding: Node) -> list[list[Group]]:
    """The last two columns: pictures, and the file of them."""
    saved = Group(f"{number + 1} Video file", [save_video("decoded.video", "video/mmgt")], GREEN)
    return [[Group(f"{number} Pictures", [decoding], GREEN)], [saved]]


GRAPHS = {
    "00_start_here": Graph(
        "## Start here: one portrait and one recording become a video, with nothing to download\n\n"
        "Press **Run**. A drawn presenter speaks: speech -> SMGA -> poses -> motion masks -> MM-HAA -> video with "
        "sound, by small networks of our own that came with this pack. It takes a few minutes on a CPU; then the video "
        "plays in *Save Video*, on the right, and lies in `output/video`. Other seeds, other gestures. The preset "
        "*small* sets sampler, steps (2) and cfg, whatever the widgets above it say.\n\n"
        "**They know drawn presenters only.** Your own recording: put *Load Audio* in the place of *Example Presenter "
        "and Speech*. Your own photo wants the authors' networks (`03_audio_to_video`), or Rhythm and a preview "
        "without any (`01_preview_from_speech`).\n\n"
        "**The same nodes** take the large networks: choose their files in the loaders and a wav2vec2 in *Load Audio "
        "Encoder*, connect *Load CLIP Vision* to MM-HAA, and set its preset to *as set here*.",
        [
            [
                given(example="MMGT_ExamplePresenterAndSpeech"),
                Group("2 Detect, encode", [detector(files=False), encoder(NO_WAVLM, NO_WAV2VEC2)]),
            ],
            [
                Group("3 The person", [initial_pose()]),
                Group("4 Encode speech", [encode(SPEECH), replace(LOAD_SMGA, values={"smga": SMALL_SMGA})]),
            ],
            [Group("5 SMGA: poses", [replace(SAMPLE_SMGA, values={"guidance": 1.0})])],
            [
                Group(
                    "6 Motion masks",
                    [Node("masks", "MMGT_MotionMaskBuilder", {"poses": "gestures"}, picture=PICTURE)],
                ),
                Group(
                    "7 Files of MM-HAA",
                    [
                        Node("mmhaa", "MMGT_LoadMMHAAModel", values={"mmhaa": SMALL_MMHAA}),
                        Node("vae", "VAELoader", values={"vae_name": SMALL_VAE}),
                    ],
                ),
            ],
            [
                Group(
                    "8 MM-HAA: the video",
                    [mmhaa("gestures", masks=True, clip=False, values={"preset": "small"})],
                    GREEN,
                )
            ],
            *video_file(9, decode()),
        ],
    ),
    "01_preview_from_speech": Graph(
        "## A photo speaks: preview, no weights needed\n\n"
        f"{OWN} Press **Run**: the video and its poses are saved below `output`.\n\n"
        "**Poses** are made from the rhythm of the speech by rules (*Rhythm Audio2Pose*): no file is needed. Other "
        "seeds, "
        "other gestures. **Preview Motion** warps the photo along them on the CPU: judge lips, head and hands here "
        "before "
        "you pay for diffusion (`03_audio_to_video`).\n\n"
        "**Your own photo** needs someone who finds the person in it: DWPose's `yolox_l.onnx` and "
        "`dw-ll_ucoco_384.onnx` in `models/mmgt`, or an installed MediaPipe. The example portrait needs neither.\n\n"
        "**The grey groups** show what goes on to other nodes: pose pictures, and the poses as a file below "
        "`output/poses`.",
        [
            [given(), Group("2 Detector", [detector(files=False)])],
            [Group("3 The person", [initial_pose()])],
            [Group("4 Poses from speech", [RHYTHM])],
            [
                Group("5 Preview", [preview("gestures")], GREEN),
                Group(
                    "Poses as pictures",
                    [Node("drawn", "MMGT_DrawPoses", {"poses": "gestures"}, picture=PICTURE)],
                    GREY,
                ),
            ],
            [
                Group("6 The video", [save_video("preview.video", "video/mmgt_preview")], GREEN),
                Group(
                    "With sound",
                    [Node("joined", "CreateVideo", {"images": "drawn", "audio": SPEECH}, {"fps": 25})],
                    GREY,
                ),
            ],
            [
                Group(
                    "Poses as a file",
                    [Node("kept", "MMGT_SavePoses", {"poses": "gestures"}, {"filename_prefix": "poses/mmgt"})],
                    GREY,
                ),
                Group(
                    "Says what it is",
                    [Node("marked", "MMGT_MarkVideo", {"video": "joined"}, {"source_type": "algorithmicMedia"})],
                    GREY,
                ),
            ],
            [Group("Poses as a video", [save_video("marked", "video/mmgt_poses", "shown")], GREY)],
        ],
    ),
    "02_preview_from_saved_poses": Graph(
        "## A photo moves along saved poses: preview, no weights needed\n\n"
        f"{OWN} Choose a pose file in *Load Poses*: what *Save Poses* wrote appears there as `poses/... "
        "[output]`.\n\n"
        "It shows poses again that were edited elsewhere, without making them anew. A pose file of another person: "
        "put "
        "*Edit Poses*, with the initial pose connected, behind *Load Poses*.\n\n"
        "**Your own photo** needs someone who finds the person in it: DWPose's `yolox_l.onnx` and "
        "`dw-ll_ucoco_384.onnx` in `models/mmgt`, or an installed MediaPipe. The example portrait needs neither.",
        [
            [given(), Group("2 Detector", [detector(files=False)])],
            [Group("3 The person", [initial_pose()])],
            [Group("4 Saved poses", [Node("poses", "MMGT_LoadPoses", values={"file": "poses.json"})])],
            [Group("5 Preview", [preview("poses")], GREEN)],
            [
                Group(
                    "6 The video",
                    [save_video("preview.video", "video/mmgt_preview")],
                    GREEN,
                )
            ],
        ],
    ),
    "03_audio_to_video": Graph(
        "## One photo and one recording become a video: the whole of MMGT\n\n"
        f"Speech -> SMGA -> poses -> motion masks -> MM-HAA -> video with sound. {OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE} {WITHOUT_SMGA}\n\n"
        "**Time**: 30 steps of a 3 s clip at 512 x 512 px are 9,000 TFLOP. Look at the poses first: "
        "`01_preview_from_speech`, "
        "or *Preview Motion* behind the SMGA sampler.",
        [
            *before(),
            [Group("5 SMGA: poses", [SAMPLE_SMGA])],
            [
                Group(
                    "6 Motion masks",
                    [Node("masks", "MMGT_MotionMaskBuilder", {"poses": "gestures"}, picture=PICTURE)],
                ),
                files_of_mmhaa(7),
            ],
            [Group("8 MM-HAA: the video", [mmhaa("gestures", masks=True)], GREEN)],
            *video_file(9, decode()),
        ],
    ),
    "04_body_from_video_lips_from_audio": Graph(
        "## Body from a video, lips and face from audio\n\n"
        "The poses of a filmed person are fitted to the photo; SMGA makes face and lips of the speech; *Combine "
        "Poses* "
        f"puts them on the filmed body. The speech decides the length. {OWN} The film goes into *Load Video*.\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE} {WITHOUT_SMGA}\n\n"
        "**Combine Poses** says what comes from A (the film) and what from B (the speech). `rest_in_silence` rests the "
        "person in pauses. **See it first**: mute *Save Video* of group 11 (Ctrl+M), and MM-HAA does not run.",
        [
            *before(film=True),
            [
                Group(
                    "5 Fitted to photo",
                    [Node("fitted", "MMGT_EditPoses", {"poses": "filmed", "initial_pose": "initial"})],
                ),
                Group("6 SMGA: face, lips", [SAMPLE_SMGA]),
            ],
            [
                Group(
                    "7 Body A, lips B",
                    [
                        Node(
                            "both",
                            "MMGT_CombinePoses",
                            {"poses_a": "fitted", "poses_b": "gestures", "speech": SPEECH, "idle_pose": "initial"},
                            {"body": "A", "hands": "A", "face": "B", "lips": "B"},
                            picture=SMALL,
                        )
                    ],
                ),
                files_of_mmhaa(8),
            ],
            [Group("9 MM-HAA: the video", [mmhaa("both")], GREEN)],
            [Group("10 Pictures", [decode()], GREEN), Group("A look before", [preview("both")], GREY)],
            [
                Group("11 Video file", [save_video("decoded.video", "video/mmgt")], GREEN),
                Group("The look's file", [save_video("preview.video", "video/mmgt_preview", "looked")], GREY),
            ],
        ],
    ),
    "05_pose_video_to_video": Graph(
        "## A filmed person moves a photo\n\n"
        "The poses of a person in a film, at 25 fps, are fitted to the person in the photo and move it; the film's "
        "own sound "
        "moves the lips. Choose the film in **both** *Load Video* and *Load Audio*; for your own photo put *Load "
        "Image* in the place of *Example Portrait and Speech*.\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE}\n\n"
        "**Edit Poses** changes how far, how fast and how calmly a region moves; for more regions put more of them in "
        "a row, as the second here calms the hands. **A film without sound**: "
        "remove *Load Audio* and *Encode Speech*; the poses alone move the person. **A film of drawn poses**: *Load "
        "Video* -> "
        "*Get Video Components* -> `pose_pictures` of MM-HAA.",
        [
            *before(NO_WAVLM, smga=False, film=True),
            [
                Group(
                    "5 To the photo",
                    [Node("fitted", "MMGT_EditPoses", {"poses": "filmed", "initial_pose": "initial"}, width=210)],
                )
            ],
            [
                Group(
                    "6 Hands calmed",
                    [
                        Node(
                            "calmed",
                            "MMGT_EditPoses",
                            {"poses": "fitted"},
                            {"region": "hands", "smoothing": 0.08},
                            width=210,
                        )
                    ],
                )
            ],
            [
                files_of_mmhaa(7),
                Group("Report", [Node("report", "PreviewAny", {"source": "filmed.report"}, picture=60)], GREY),
            ],
            [Group("8 MM-HAA: the video", [mmhaa("calmed")], GREEN)],
            *video_file(9, decode("sound.AUDIO")),
        ],
    ),
    "06_long_speech": Graph(
        "## Minutes of speech, at constant memory\n\n"
        "SMGA samples windows of 80 frames that agree where they overlap; MM-HAA goes on from window to window; "
        "*Decode Video "
        f"to File* decodes and writes a few frames at a time. {OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE}\n\n"
        "**SMGA Re-sample** keeps face and lips of the first poses and makes other gestures. Fill `keep_seconds` "
        "(`0-12.5, "
        "14-`) to keep all but a second that you do not like; remove the node to take the first poses. **No Motion "
        "Mask "
        "Builder here**: MM-HAA makes the masks of the poses itself, window by window. **Time** grows with the "
        "length: try "
        "the first seconds first; `preset: fast` costs a quarter.",
        [
            *before(),
            [Group("5 SMGA: poses", [SAMPLE_SMGA])],
            [
                Group(
                    "6 Other gestures",
                    [
                        Node(
                            "again",
                            "MMGT_SMGAResample",
                            {"smga": "smga", "speech": "features", "initial_pose": "initial", "poses": "gestures"},
                            {"seed": 1, "keep_face": True, "keep_lips": True},
                        )
                    ],
                ),
                files_of_mmhaa(7),
            ],
            [Group("8 MM-HAA: the video", [mmhaa("again")], GREEN)],
            [Group("9 Straight to file", [decode_to_file("video", "video/mmgt_long")], GREEN)],
        ],
    ),
    "07_audio_to_video_upscaled": Graph(
        "## One photo and one recording become a video, enlarged by a model\n\n"
        f"`03_audio_to_video` with core's *Load Upscale Model* and *Upscale Image (using Model)*. {OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n"
        "- `models/upscale_models`: any model that you like; choose it in *Load Upscale Model*\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE} {WITHOUT_SMGA}\n\n"
        "A model that makes 4x: *Upscale Image By* 0.5 behind it gives 1024 px. **Memory**: all pictures are held "
        "at once, "
        "0.3 GB a second at 1024 x 1024 px. **Smoother**: a frame interpolation node goes behind *Decode Video*; "
        "for 2x set "
        "*Create Video* to 50. **Marks**: core's nodes write a video that does not say it is generated; *Mark Video* "
        "makes *Save Video* write it.",
        [
            *before(),
            [Group("5 SMGA: poses", [SAMPLE_SMGA]), files_of_mmhaa(6)],
            [Group("7 MM-HAA: video", [mmhaa("gestures")], GREEN)],
            [
                Group(
                    "8 Pictures",
                    [Node("decoded", "MMGT_DecodeVideo", {"latent": "video", "vae": "vae"}, width=210)],
                    GREEN,
                ),
                Group("9 Any model", [Node("enlarger", "UpscaleModelLoader", width=210)]),
            ],
            [
                Group(
                    "10 Enlarged",
                    [
                        Node(
                            "large",
                            "ImageUpscaleWithModel",
                            {"upscale_model": "enlarger", "image": "decoded.image"},
                            width=210,
                        )
                    ],
                    GREEN,
                ),
            ],
            [
                Group(
                    "11 Video",
                    [Node("joined", "CreateVideo", {"images": "large", "audio": SPEECH}, {"fps": 25}, width=200)],
                    GREEN,
                )
            ],
            [
                Group(
                    "12 Marked",
                    [
                        Node("marked", "MMGT_MarkVideo", {"video": "joined"}, width=240),
                    ],
                    GREEN,
                )
            ],
            [
                Group("13 Video file", [save_video("marked", "video/mmgt_large")], GREEN),
                Group(
                    "14 Its marks",
                    [Node("marks", "MMGT_ReadProvenance", {"video": "marked"}, width=240, picture=150)],
                ),
            ],
        ],
    ),
    "08_audio_to_video_second_pass": Graph(
        "## One photo and one recording become a video, refined at a larger size\n\n"
        "The first pass makes the movement at 512 px; core's *Upscale Latent By* enlarges it; a second *MM-HAA "
        "Video Sampler* "
        f"draws the details (`denoise` 0.5). {OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE}\n\n"
        "The poses are made by rules (*Rhythm Audio2Pose*); put the SMGA sampler of `03_audio_to_video` there for "
        "gestures "
        "that know the words. The second pass must have the enlarged latent's size: 512 x 1.5 = 768 px. The network "
        "was "
        "trained at 512 px: far larger sizes are untried.",
        [
            *before(NO_WAVLM, smga=False),
            [Group("5 Poses by rules", [RHYTHM]), files_of_mmhaa(6)],
            [Group("7 First pass: 512 px", [mmhaa("gestures", values={"width": 512, "height": 512})], GREEN)],
            [
                Group(
                    "8 Enlarged",
                    [
                        Node(
                            "large",
                            "LatentUpscaleBy",
                            {"samples": "video"},
                            {"upscale_method": "bislerp", "scale_by": 1.5},
                            width=210,
                        )
                    ],
                )
            ],
            [
                Group(
                    "9 Second pass: 768 px",
                    [
                        mmhaa(
                            "gestures",
                            key="refined",
                            latent="large",
                            values={"width": 768, "height": 768, "denoise": 0.5},
                        )
                    ],
                    GREEN,
                )
            ],
            [Group("10 Video file", [decode_to_file("refined", "video/mmgt_refined")], GREEN)],
        ],
    ),
    "09_swap_sampler_and_scheduler": Graph(
        "## Your own sampler and schedule\n\n"
        "*MM-HAA Conditioning* gives what every sampler of ComfyUI takes: MODEL, positive, negative and a LATENT "
        "whose batch "
        "is the frames. Here *SamplerCustomAdvanced* runs it with dpmpp_2m on trailing timesteps; put any SAMPLER, "
        "SIGMAS or "
        f"GUIDER in their places. The poses are made by rules, so SMGA is not needed. {OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE}\n\n"
        "*Decode Video to File* decodes and writes a few frames at a time: for long speech.",
        [
            *before(NO_WAVLM, smga=False),
            [Group("5 Poses by rules", [RHYTHM]), files_of_mmhaa(6)],
            [
                Group(
                    "7 What it shows",
                    [
                        Node(
                            "given",
                            "MMGT_MMHAAConditioning",
                            {
                                "model": "mmhaa",
                                "vae": "vae",
                                "clip_vision": "clip",
                                "image": PHOTO,
                                "poses": "gestures",
                                "speech": "features",
                            },
                            width=280,
                        )
                    ],
                )
            ],
            [
                Group(
                    "8 Any sampler",
                    [
                        Node("noise", "RandomNoise"),
                        Node(
                            "guider",
                            "CFGGuider",
                            {"model": "given.model", "positive": "given.positive", "negative": "given.negative"},
                            {"cfg": 3.5},
                        ),
                        Node("sampler", "KSamplerSelect", values={"sampler_name": "dpmpp_2m"}),
                        Node("sigmas", "MMGT_TrailingSigmas", {"model": "given.model"}, {"steps": 20}),
                    ],
                ),
            ],
            [
                Group(
                    "9 Sampled",
                    [
                        Node(
                            "sampled",
                            "SamplerCustomAdvanced",
                            {
                                "noise": "noise",
                                "guider": "guider",
                                "sampler": "sampler",
                                "sigmas": "sigmas",
                                "latent_image": "given.latent",
                            },
                        )
                    ],
                    GREEN,
                )
            ],
            [Group("10 Video file", [decode_to_file("sampled.output", "video/mmgt")], GREEN)],
        ],
    ),
    "10_poses_for_other_packs": Graph(
        f"## Poses from speech, for other packs\n\n{OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE} {WITHOUT_SMGA}\n\n"
        "**Out come** POSE_KEYPOINT (OpenPose's format, for any pack that takes it), pose pictures as OpenPose "
        "ControlNets "
        "expect them (for MM-HAA take style MM-HAA), and a .json of the poses that *Load Poses* reads again. **An "
        "SMGA that "
        "was trained on hand-crafted features alone** (35 columns): bypass *Load Audio Encoder* (Ctrl+B).",
        [
            *before(WAVLM, NO_WAV2VEC2),
            [Group("5 SMGA: poses", [SAMPLE_SMGA])],
            [
                Group(
                    "6 POSE_KEYPOINT",
                    [Node("keypoint", "MMGT_PosesToPoseKeypoint", {"poses": "gestures"}, width=230)],
                    GREEN,
                ),
                Group(
                    "Poses as a file",
                    [
                        Node(
                            "kept",
                            "MMGT_SavePoses",
                            {"poses": "gestures"},
                            {"filename_prefix": "poses/mmgt"},
                            width=230,
                        )
                    ],
                    GREEN,
                ),
            ],
            [
                Group(
                    "7 And back",
                    [Node("back", "MMGT_PoseKeypointToPoses", {"pose_keypoint": "keypoint"}, width=230)],
                )
            ],
            [
                Group(
                    "8 Pictures",
                    [
                        Node(
                            "drawn",
                            "MMGT_DrawPoses",
                            {"poses": "back"},
                            {"style": "OpenPose"},
                            width=220,
                            picture=PICTURE,
                        )
                    ],
                    GREEN,
                )
            ],
            [
                Group(
                    "9 Video",
                    [Node("joined", "CreateVideo", {"images": "drawn", "audio": SPEECH}, {"fps": 25}, width=200)],
                )
            ],
            [
                Group(
                    "10 Marked",
                    [
                        Node(
                            "marked",
                            "MMGT_MarkVideo",
                            {"video": "joined"},
                            {"source_type": "trainedAlgorithmicMedia"},
                        )
                    ],
                )
            ],
            [Group("11 Video file", [save_video("marked", "video/mmgt_poses")], GREEN)],
        ],
    ),
    "11_compare_two_settings": Graph(
        "## Two settings side by side, by their numbers\n\n"
        "One photo, one speech, one seed, two settings: here the authors' masks (A) and the paper's (B). Change what "
        "you want to know in **one** of the two *MM-HAA Video Samplers*: preset, steps, cfg, masks, strengths, seed. "
        f"{OWN}\n\n"
        "**Files** (the page offers what is missing when the graph opens)\n{files}\n\n"
        f"{AUTHORS_NOTE} {WITHOUT_DWPOSE}\n\n"
        "*MMGT Evaluate* shows a table on itself; lines with `!` say what is plainly wrong. B is measured against A: "
        "SSIM 1 means that the setting changes nothing. A real video as *reference* says which of both is nearer.",
        [
            *before(NO_WAVLM, smga=False),
            [Group("5 MM-HAA files", LOADERS), Group("6 Poses", [RHYTHM])],
            [
                Group("7 Setting A", [mmhaa("gestures", key="a")], GREEN),
            ],
            [
                Group("8 Setting B", [mmhaa("gestures", key="b", values={"masks": "paper"})], GREEN),
            ],
            [
                Group("9 Frames of A", [_decoded("a")], GREEN),
                Group("10 Frames of B", [_decoded("b")], GREEN),
            ],
            [
                Group("11 Numbers of A", [_evaluated("a")], GREEN),
                Group("13 A beside B", [_beside()], GREEN),
            ],
            [
                Group("12 Numbers of B", [_evaluated("b", reference="a_pictures.image")], GREEN),
                Group("14 Video", [_beside_video()], GREEN),
            ],
            [
                Group("15 Video file", [save_video("beside_video", "video/mmgt_compared")], GREEN),
                Group("Charts of A", [Node("a_charts", "PreviewImage", {"images": "a_numbers.plots"}, picture=100)]),
                Group("Charts of B", [Node("b_charts", "PreviewImage", {"images": "b_numbers.plots"}, picture=100)]),
            ],
        ],
    ),
    "12_compare_ways_to_poses": Graph(
        "## Three ways from speech to poses, side by side on one speech, with nothing to download\n\n"
        "Press **Run**. **Rhythm** makes poses by rules, **SMGA** by diffusion in 50 steps, **Contextual Gesture** by "
        "masked tokens in 5 passes (both here by the small networks that came with this pack; they know drawn "
        "presenters). Left to right: the skeletons of the three, one video. Your own recording: put *Load Audio* in "
        "the place of *Example Presenter and Speech*; your own photo: *Load Image*, and a detector (README).\n\n"
        "**Another Contextual Gesture** is trained on clips of your own (docs/training.md) and goes into "
        "`models/mmgt`; nobody publishes one. *speaker* is a style that it learned, as its loader lists them.\n\n"
        "**The grey groups**: *Re-sample* keeps face and lips of Rhythm's poses and makes other gestures, drawn as an "
        "*Edge Heat Map*; *Find Gestures* ranks pose files for this speech. It and its ranking are muted: when *Save "
        "Poses* has written some into `output/poses`, choose both and press Ctrl+M.",
        [
            [
                given(example="MMGT_ExamplePresenterAndSpeech"),
                Group("2 Detect, encode", [detector(files=False), encoder(NO_WAVLM, NO_WAV2VEC2)]),
            ],
            [
                Group("3 The person", [initial_pose()]),
                Group("4 Encode speech", [encode(SPEECH)]),
                Group(
                    "5 Two networks",
                    [
                        replace(LOAD_SMGA, values={"smga": SMALL_SMGA}),
                        Node(
                            "contextual",
                            "MMGT_LoadContextualGesture",
                            values={"contextual_gesture": SMALL_GESTURES},
                            picture=90,
                        ),
                    ],
                ),
            ],
            [
                Group("6 By rules", [replace(RHYTHM, key="by_rules")]),
                Group("7 SMGA", [replace(SAMPLE_SMGA, key="by_smga", values={"guidance": 1.0}, picture=50)]),
            ],
            [
                Group("8 By tokens", [_contextual("by_tokens", "MMGT_ContextualGestureSampler")]),
                Group(
                    "Parts kept", [_contextual("resampled", "MMGT_ContextualGestureResample", poses="by_rules")], GREY
                ),
            ],
            [
                Group("9 Drawn", [_drawn(way) for way in ("by_rules", "by_smga", "by_tokens")]),
            ],
            [
                Group(
                    "10 Two",
                    [Node("two", "ImageStitch", {"image1": "by_rules_drawn", "image2": "by_smga_drawn"})],
                ),
                Group(
                    "Find gestures",
                    [replace(_contextual("found", "MMGT_FindGesturesForSpeech", initial=False), muted=True)],
                    GREY,
                ),
                Group(
                    "Soft picture",
                    [Node("heat", "MMGT_EdgeHeatMap", {"poses": "resampled"}, {"width": 256}, picture=FRAME)],
                    GREY,
                ),
            ],
            [
                Group("11 Three", [Node("three", "ImageStitch", {"image1": "two", "image2": "by_tokens_drawn"})]),
                Group(
                    "Their ranking",
                    [Node("ranking", "PreviewAny", {"source": "found.ranking"}, picture=60, muted=True)],
                    GREY,
                ),
                Group("Seen", [Node("seen", "PreviewImage", {"images": "heat.image"}, picture=FRAME)], GREY),
            ],
            [Group("12 Video", [Node("joined", "CreateVideo", {"images": "three", "audio": SPEECH}, {"fps": 25})])],
            [Group("13 Video file", [save_video("joined", "video/mmgt_ways")], GREEN)],
        ],
    ),
    "13_ablations": Graph(
        "## The paper's ablations: what motion masks and speech do, side by side, with nothing to download\n\n"
        "Press **Run**. From one photo, one speech and one seed *MMGT Ablations* makes the video as it is (**full**), "
        "without motion masks (every branch acts everywhere), with the first frame's masks for all (**still mask**), "
        "without the speech (**no audio**), and along other poses (**pose-driven**), by the small networks that came "
        "with this pack: five videos, ten minutes and more on a CPU. The table sets their order beside the paper's.\n\n"
        "**Pose-driven** wants poses of a real person who says the same: *Load Video* and *DWPose Pose Video* in the "
        "place of *Rhythm Audio2Pose*, which stands for them here. A real video as *reference* makes the numbers say "
        "which variant is best; without it they say how little a change changes.\n\n"
        "**The large networks**: choose their files in the loaders, connect *Load CLIP Vision*, take a wav2vec2 in "
        "*Load Audio Encoder*, and set the preset to *as set here*.",
        [
            [
                given(example="MMGT_ExamplePresenterAndSpeech"),
                Group("2 Detect, encode", [detector(files=False), encoder(NO_WAVLM, NO_WAV2VEC2)]),
            ],
            [
                Group("3 The person", [initial_pose()]),
                Group("4 Encode speech", [encode(SPEECH), replace(LOAD_SMGA, values={"smga": SMALL_SMGA})]),
            ],
            [
                Group("5 SMGA: poses", [replace(SAMPLE_SMGA, values={"guidance": 1.0})]),
                Group("6 Other poses", [replace(RHYTHM, key="other")]),
                Group(
                    "7 Files of MM-HAA",
                    [
                        Node("mmhaa", "MMGT_LoadMMHAAModel", values={"mmhaa": SMALL_MMHAA}),
                        Node("vae", "VAELoader", values={"vae_name": SMALL_VAE}),
                    ],
                ),
            ],
            [Group("8 All variants", [_ablations()], GREEN)],
            [
                Group("9 Video file", [save_video("ablations.video", "video/mmgt_ablations")], GREEN),
                Group("10 Their numbers", [Node("table", "PreviewAny", {"source": "ablations.text"}, picture=280)]),
            ],
        ],
    ),
}
