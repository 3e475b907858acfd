"""Picture + poses -> instant preview, without any diffusion or weights: the picture is cut into layers and warped."""

from .checks import within
from .warp import MotionPreview, prepare_preview, preview_motion, render_frame

__all__ = ["MotionPreview", "prepare_preview", "preview_motion", "render_frame", "within"]
