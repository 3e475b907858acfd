"""Motion mask nodes."""

from comfy_api.latest import io

from ..mmgt.poses.edge_maps import edge_maps
from ..mmgt.poses.motion_mask import REGIONS, Margins, masks_seen, motion_masks
from . import host, sockets, tensors

NUM_MASKS = len(REGIONS) + 1  # and the background
NUM_COLOURS = 3


class MotionMaskBuilder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def margin(name: str) -> io.Float.Input:
            tooltip = f"How far the {name} box reaches beyond its keypoints, as a share of its size. 0 = Algorithm 1."
            return io.Float.Input(f"{name}_margin", default=0.0, min=0.0, max=2.0, step=0.05, tooltip=tooltip)

        return host.schema(
            search_aliases=["face mask", "lip mask", "hand mask", "motion mask", "lip sync"],
            node_id="MMGT_MotionMaskBuilder",
            display_name="Motion Mask Builder",
            category="MMGT/mask",
            description="Where face, lips and hands move, frame by frame: the boxes of the paper's Algorithm 1. "
            "Ordinary masks: grow, blur or paint them with any mask node.",
            inputs=[
                sockets.poses_input("poses", "The pose sequence to mask."),
                *sockets.size_inputs("Mask"),
                margin("face"),
                margin("lips"),
                margin("hands"),
                io.Int.Input(
                    "hold_frames",
                    default=0,
                    min=0,
                    max=25,
                    tooltip="A mask also covers where its region is up to this many frames (40 ms) before and after. "
                    "0 = Algorithm 1.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The photo, only to see the masks on it, on this node: face blue, lips red, hands green. "
                    "Without it they are seen on the drawn poses.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="face", tooltip="1 in the face's box, frame by frame."),
                io.Mask.Output(display_name="lips", tooltip="1 in the lips' box."),
                io.Mask.Output(display_name="hands", tooltip="1 in the boxes of both hands."),
                io.Mask.Output(display_name="background", tooltip="1 outside of face and hands."),
            ],
        )

    @classmethod
    def execute(
        cls, poses, width, height, face_margin, lips_margin, hands_margin, hold_frames, image=None
    ) -> io.NodeOutput:
        poses = tensors.poses(poses)
        picture = None if image is None else tensors.picture_of(image, poses)
        height, width = tensors.size(poses, width, height)
        host.check_batch("the masks", poses.num_frames, height, width, NUM_MASKS, "choose a smaller width and height")
        masks = motion_masks(
            poses,
            height,
            width,
            margins=Margins(face_margin, lips_margin, hands_margin),
            hold_frames=hold_frames,
            progress=host.progress(),
        )
        seen = masks_seen(poses, masks, *host.size_shown(height, width), picture)
        shown = host.result(seen, poses.num_frames, poses.fps)
        return io.NodeOutput(masks.face, masks.lips, masks.hands, masks.background, ui=shown)


class EdgeHeatMap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["skeleton", "heat map", "pose picture", "controlnet", "soft mask"],
            node_id="MMGT_EdgeHeatMap",
            display_name="Edge Heat Map",
            category="MMGT/mask",
            description="The skeleton as a soft picture (Contextual Gesture, equations 4 to 7): 1 on the nearest bone, "
            "falling off beside it. No weights.",
            inputs=[
                sockets.poses_input("poses", "The pose sequence to draw."),
                *sockets.size_inputs("Map"),
                io.Float.Input(
                    "thickness",
                    default=0.012,
                    min=0.001,
                    max=0.2,
                    step=0.001,
                    round=0.0001,
                    tooltip="Sigma, as a share of the picture's short side: where a bone has fallen to 37 %.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="0 to 1, one a frame of the poses."),
                io.Image.Output(display_name="image", tooltip="The same in grey, as a control picture."),
            ],
        )

    @classmethod
    def execute(cls, poses, width, height, thickness) -> io.NodeOutput:
        poses = tensors.poses(poses)
        height, width = tensors.size(poses, width, height)
        channels = 1 + NUM_COLOURS
        host.check_batch("the heat maps", poses.num_frames, height, width, channels, "choose a smaller size")
        maps = edge_maps(poses, height, width, thickness, host.progress())
        image = maps[..., None].repeat(1, 1, 1, NUM_COLOURS)
        shown = host.result(tensors.pictures(image), poses.num_frames, poses.fps)
        return io.NodeOutput(maps, image, ui=shown)


NODES = [MotionMaskBuilder, EdgeHeatMap]
