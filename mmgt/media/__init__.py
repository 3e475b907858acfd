"""Pictures, recordings and videos on disk. PyAV only: no ffmpeg program, no torchaudio. Nothing is ever overwritten."""

from ..output_files import all_or_none, check_distinct, check_output, unfinished_file
from .frame_marks import FrameMarks
from .marking import Marks, check_markable, mark_file, read_marks
from .pictures import contact_sheet, read_picture, write_png
from .reading import VideoReader, VideoStream
from .sound import read_recording
from .writing import CODECS, check_video_output, write_video

__all__ = [
    "CODECS",
    "FrameMarks",
    "Marks",
    "VideoReader",
    "VideoStream",
    "all_or_none",
    "check_distinct",
    "check_markable",
    "check_output",
    "check_video_output",
    "contact_sheet",
    "mark_file",
    "read_marks",
    "read_picture",
    "read_recording",
    "unfinished_file",
    "write_png",
    "write_video",
]
