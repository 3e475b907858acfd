"""Motion mask nodes."""

from comfy_api.latest import io

from ..mmgt.motion_mask import Margins, motion_masks
from . import host, sockets, tensors

MAX_SIZE_PX = 8192


class MotionMaskBuilder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def margin(name: str) -> io.Float.Input:
            tooltip = f"How far the {name} box reaches beyond its keypoints, as a share of its size. 0 = the paper."
            return io.Float.Input(f"{name}_margin", default=0.0, min=0.0, max=2.0, step=0.05, tooltip=tooltip)

        return io.Schema(
            node_id="MMGT_MotionMaskBuilder",
            display_name="Motion Mask Builder",
            category="MMGT/mask",
            description="Where face, lips and hands move, frame by frame: the boxes of the paper's Algorithm 1. "
            "Ordinary masks: grow, blur or paint them with any mask node.",
            inputs=[
                sockets.poses_input("poses", "The pose sequence to mask."),
                io.Int.Input(
                    "width", default=0, min=0, max=MAX_SIZE_PX, tooltip="Mask width in px. 0 = the picture's."
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=MAX_SIZE_PX, tooltip="Mask height in px. 0 = the picture's."
                ),
                margin("face"),
                margin("lips"),
                margin("hands"),
                io.Int.Input(
                    "hold_frames",
                    default=0,
                    min=0,
                    max=25,
                    tooltip="A mask also covers where its region is up to this many frames (40 ms) before and after. "
                    "0 = the paper.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="face"),
                io.Mask.Output(display_name="lips"),
                io.Mask.Output(display_name="hands"),
                io.Mask.Output(display_name="background"),
            ],
        )

    @classmethod
    def execute(cls, poses, width, height, face_margin, lips_margin, hands_margin, hold_frames) -> io.NodeOutput:
        poses = tensors.poses(poses)
        masks = motion_masks(
            poses,
            height or poses.height_px,
            width or poses.width_px,
            margins=Margins(face_margin, lips_margin, hands_margin),
            hold_frames=hold_frames,
            progress=host.progress(),
        )
        return io.NodeOutput(masks.face, masks.lips, masks.hands, masks.background)


NODES = [MotionMaskBuilder]
