"""Video nodes."""

from comfy_api.latest import io

from ..mmgt.warp import preview_motion
from . import host, sockets, tensors


class PreviewMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MMGT_PreviewMotion",
            display_name="Preview Motion",
            category="MMGT/video",
            description="Warp the photo along the poses: see lips, head and hands before paying for diffusion. CPU, no "
            "weights.",
            inputs=[
                io.Image.Input("image", tooltip="The photo; the first picture of a batch is used."),
                sockets.poses_input("poses", "The pose sequence to show."),
                sockets.poses_input("initial_pose", "The person's pose in this photo."),
                io.Mask.Input(
                    "person_mask",
                    optional=True,
                    tooltip="1 on the person, same size as the photo. Without it the person is cut out by GrabCut.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="Sound of the VIDEO output; passed through untouched."),
            ],
            outputs=[io.Image.Output(display_name="image"), io.Video.Output(display_name="video")],
        )

    @classmethod
    def execute(cls, image, poses, initial_pose, person_mask=None, audio=None) -> io.NodeOutput:
        poses = tensors.poses(poses)
        picture = tensors.picture(image)
        mask = None if person_mask is None else tensors.person_mask(person_mask)
        frames = preview_motion(picture, tensors.initial_pose(initial_pose, image), poses, mask, host.progress())
        images = tensors.image_batch(frames, poses.num_frames)
        return io.NodeOutput(images, tensors.video(images, poses.fps, audio))


NODES = [PreviewMotion]
