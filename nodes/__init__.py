"""The MMGT nodes: the only package that knows ComfyUI. The menu is the concatenation below."""

from comfy_api.latest import ComfyExtension, io

from . import (
    ablation,
    audio,
    contextual_gesture,
    evaluation,
    example,
    host,
    mask,
    mmhaa,
    pose,
    pose_edit,
    pose_video,
    provenance,
    smga,
    video,
)


class MMGTExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        host.register_model_folders()
        return [
            *example.NODES,
            *audio.NODES,
            *pose.NODES,
            *smga.NODES,
            *contextual_gesture.NODES,
            *pose_video.NODES,
            *pose_edit.NODES,
            *mask.NODES,
            *mmhaa.NODES,
            *video.NODES,
            *provenance.NODES,
            *evaluation.NODES,
            *ablation.NODES,
        ]
