"""Pose nodes: detect, generate, draw, convert, load and save."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..mmgt import detect, openpose
from ..mmgt.errors import InputError
from ..mmgt.media import check_output
from ..mmgt.people import PersonOrder, initial_pose_of
from ..mmgt.pose_files import load_poses, save_poses
from ..mmgt.poses.draw import STYLES, draw_pose, draw_poses, over
from ..mmgt.provenance import digest
from ..mmgt.weights.catalog import DWPOSE, MEDIAPIPE, YOLOX
from . import host, sockets, tensors

AUTO = "auto"


class LoadPoseDetector(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = [AUTO, *host.model_files(DWPOSE)]
        return host.schema(
            search_aliases=["dwpose", "openpose", "pose estimation", "mediapipe", "keypoints"],
            node_id="MMGT_LoadPoseDetector",
            display_name="Load Pose Detector",
            category="MMGT/pose",
            description="DWPose (two ONNX files in models/mmgt), or MediaPipe where it is installed.",
            inputs=[
                io.Combo.Input(
                    "detector",
                    options=files,
                    default=AUTO,
                    tooltip="Person detector: yolox_l.onnx. 'auto' looks for the DWPose files in models/mmgt, then for "
                    "MediaPipe.",
                ),
                io.Combo.Input(
                    "pose",
                    options=files,
                    default=AUTO,
                    tooltip="Pose network: dw-ll_ucoco_384.onnx. 'auto' goes with the detector.",
                ),
                io.Combo.Input(
                    "provider",
                    options=[AUTO, "CUDA", "CPU"],
                    default=AUTO,
                    tooltip="Where onnxruntime runs. 'auto' takes the best that is installed; the log says which.",
                ),
            ],
            outputs=[sockets.PoseDetector.Output(display_name="detector", tooltip="For the DWPose nodes.")],
        )

    @classmethod
    def fingerprint_inputs(cls, detector=None, pose=None, provider=None):
        return host.fingerprint(
            (detector, YOLOX), (pose, DWPOSE), (None, MEDIAPIPE)
        )  # what an error told to put there is found at once

    @classmethod
    def execute(cls, detector, pose, provider) -> io.NodeOutput:
        from ..mmgt.detect.find import find_detector  # here, as other imports in execute: the pack starts quickly

        host.check_interrupt()
        providers = None if provider == AUTO else [f"{provider}ExecutionProvider"]
        if AUTO in (detector, pose):
            if detector != pose:
                raise InputError(
                    f"detector is '{detector}' and pose is '{pose}'; choose both files, or 'auto' for both."
                )
            return io.NodeOutput(find_detector(host.models_named, providers))
        return io.NodeOutput(
            detect.load_dwpose(host.model_path(detector, YOLOX), host.model_path(pose, DWPOSE), providers)
        )


class DWPoseInitialPose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["dwpose", "openpose", "pose estimation", "portrait", "keypoints"],
            node_id="MMGT_DWPoseInitialPose",
            display_name="DWPose Initial Pose",
            category="MMGT/pose",
            description="The 134 keypoints of the person in the photo.",
            inputs=[
                sockets.PoseDetector.Input("detector", tooltip="From Load Pose Detector."),
                io.Image.Input("image", tooltip="The photo; the first picture of a batch is used."),
                io.Combo.Input(
                    "person",
                    options=list(get_args(PersonOrder)),
                    default="largest",
                    tooltip="In which order the people of the photo are counted; person_index picks one.",
                ),
                io.Int.Input(
                    "person_index",
                    default=0,
                    min=0,
                    max=99,
                    tooltip="Place in that order: 0 = the first, e.g. the largest person.",
                ),
            ],
            outputs=[
                sockets.Poses.Output(display_name="initial_pose", tooltip="The person's pose: one frame."),
                io.Image.Output(display_name="preview", tooltip="The pose drawn on black, as large as the photo."),
            ],
        )

    @classmethod
    def execute(cls, detector, image, person, person_index) -> io.NodeOutput:
        progress = host.progress()
        progress(0, 1)
        picture = tensors.picture(image)
        pose = initial_pose_of(detector, picture, person, person_index)
        progress(1, 1)
        drawn = draw_pose(pose.pixels[0].numpy(), pose.score[0].numpy(), *picture.shape[:2])
        shown = host.result([over(picture, drawn)], 1, pose.fps)
        return io.NodeOutput(pose, tensors.image(drawn[None]), ui=shown)


class RhythmAudio2Pose(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def amplitude(name: str, moves: str) -> io.Float.Input:
            tooltip = f"How much {moves} move{'s' if name in ('body', 'head', 'face') else ''}: 0 = still, 1 = natural."
            return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.05, tooltip=tooltip)

        return host.schema(
            search_aliases=["talking", "lip sync", "gesture", "audio to pose", "speech to gesture", "without weights"],
            node_id="MMGT_RhythmAudio2Pose",
            display_name="Rhythm Audio2Pose",
            category="MMGT/pose",
            description="Poses from speech by rules, without any weights: lips from loudness and vowels, nods and hand "
            "beats on onsets, blinks, breathing. It is not SMGA: it knows the rhythm of the words, not their meaning.",
            inputs=[
                io.Audio.Input("audio", tooltip="The speech recording; any rate, any number of channels."),
                sockets.poses_input("initial_pose", "The person's pose in the photo; its first frame is used."),
                sockets.seed_input(),
                amplitude("body", "the torso"),
                amplitude("head", "the head"),
                amplitude("hands", "arms and hands"),
                amplitude("face", "the upper face (brows, blinks)"),
                amplitude("lips", "the lips"),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="25 fps, as long as the speech.")],
        )

    @classmethod
    def execute(cls, audio, initial_pose, seed, body, head, hands, face, lips) -> io.NodeOutput:
        from ..mmgt.rhythm import Amplitudes, rhythm_poses  # here: a tenth of the pack's import

        host.check_interrupt()
        poses = rhythm_poses(
            tensors.recording(audio),
            tensors.poses(initial_pose).frames(0, 1),
            seed=seed,
            amplitudes=Amplitudes(body, head, hands, face, lips),
        )
        return io.NodeOutput(poses)


class DrawPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["openpose", "dwpose", "pose picture", "controlnet", "skeleton"],
            node_id="MMGT_DrawPoses",
            display_name="Draw Poses",
            category="MMGT/pose",
            description="Pose pictures as the MMGT video network was trained on, or as OpenPose ControlNets were.",
            inputs=[
                sockets.poses_input("poses", "The pose sequence to draw."),
                *sockets.size_inputs("Picture"),
                io.Combo.Input(
                    "style",
                    options=list(STYLES),
                    default="MM-HAA",
                    tooltip="MM-HAA: for the MMGT video network. OpenPose: for OpenPose ControlNets and other packs "
                    "(darker limbs, legs, other hand colours).",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="One picture a frame of the poses.")],
        )

    @classmethod
    def execute(cls, poses, width, height, style="MM-HAA") -> io.NodeOutput:
        poses = tensors.poses(poses)
        height, width = tensors.size(poses, width, height)
        host.check_batch("the pose pictures", poses.num_frames, height, width, 3, "choose a smaller width and height")
        frames = host.counted(draw_poses(poses, height, width, style=STYLES[style]), poses.num_frames)
        images = tensors.image_batch(frames, poses.num_frames)
        return io.NodeOutput(images, ui=host.result(tensors.pictures(images), poses.num_frames, poses.fps))


class LoadPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["pose json", "openpose json", "keypoints"],
            node_id="MMGT_LoadPoses",
            display_name="Load Poses",
            category="MMGT/pose",
            description="A pose file from ComfyUI's input folder, or one that Save Poses wrote.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=host.input_files(".json"),
                    tooltip="A .json of the input folder, or of the output folder where it ends in [output].",
                ),
                *sockets.canvas_inputs(),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="The file's pose sequence.")],
        )

    @classmethod
    def validate_inputs(cls, file=None, canvas_width=0, canvas_height=0) -> bool | str:
        try:
            load_poses(host.input_path(file or "poses.json"), tensors.canvas(canvas_width or 0, canvas_height or 0))
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file=None, **others):
        path = host.input_path(file or "")
        return path.stat().st_mtime_ns if path.is_file() else None  # read again when the file has changed

    @classmethod
    def execute(cls, file, canvas_width=0, canvas_height=0) -> io.NodeOutput:
        return io.NodeOutput(load_poses(host.input_path(file), tensors.canvas(canvas_width, canvas_height)))


class SavePoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["pose json", "export poses", "keypoints"],
            node_id="MMGT_SavePoses",
            display_name="Save Poses",
            category="MMGT/pose",
            hidden=host.HIDDEN,
            description="Write a pose sequence as a numbered .json into the output folder; nothing is overwritten.",
            is_output_node=True,
            inputs=[
                sockets.poses_input("poses", "The pose sequence to save."),
                io.String.Input("filename_prefix", default="poses/mmgt", tooltip="Folder and name below output/."),
            ],
            outputs=[sockets.Poses.Output(display_name="saved_poses", tooltip="The poses as they came in.")],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix=None) -> bool | str:
        try:
            check_output(host.output_place(filename_prefix or "mmgt", ".json"))
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, poses, filename_prefix) -> io.NodeOutput:
        poses = tensors.poses(poses)
        path = host.new_output_path(filename_prefix, ".json")
        save_poses(poses, path, host.how_poses_were_made(cls, digest(poses)))
        return io.NodeOutput(poses, ui=host.words(str(path)))


class PosesToPoseKeypoint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["openpose", "dwpose", "pose_keypoint", "controlnet"],
            node_id="MMGT_PosesToPoseKeypoint",
            display_name="Poses to POSE_KEYPOINT",
            category="MMGT/pose",
            description="For the OpenPose nodes of other packs.",
            inputs=[sockets.Poses.Input("poses", tooltip="The pose sequence to convert.")],
            outputs=[sockets.PoseKeypoint.Output(display_name="pose_keypoint", tooltip="OpenPose frames, in px.")],
        )

    @classmethod
    def execute(cls, poses) -> io.NodeOutput:
        return io.NodeOutput(openpose.poses_to_openpose(poses))


class PoseKeypointToPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["openpose", "dwpose", "pose_keypoint"],
            node_id="MMGT_PoseKeypointToPoses",
            display_name="POSE_KEYPOINT to Poses",
            category="MMGT/pose",
            description="Poses of any other pack, one frame a picture, as a pose sequence.",
            inputs=[
                sockets.PoseKeypoint.Input("pose_keypoint", tooltip="From any OpenPose or DWPose node."),
                io.Int.Input(
                    "person_index", default=0, min=0, max=99, tooltip="Which person of each frame; 0 = first."
                ),
                io.Float.Input(
                    "fps", default=25.0, min=1.0, max=240.0, step=0.001, tooltip="Frames per second of these poses."
                ),
                *sockets.canvas_inputs(),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="The chosen person, frame by frame.")],
        )

    @classmethod
    def execute(cls, pose_keypoint, person_index, fps, canvas_width=0, canvas_height=0) -> io.NodeOutput:
        canvas = tensors.canvas(canvas_width, canvas_height)
        return io.NodeOutput(openpose.poses_from_openpose(pose_keypoint, person_index, fps, canvas))


NODES = [
    LoadPoseDetector,
    DWPoseInitialPose,
    RhythmAudio2Pose,
    DrawPoses,
    LoadPoses,
    SavePoses,
    PosesToPoseKeypoint,
    PoseKeypointToPoses,
]
