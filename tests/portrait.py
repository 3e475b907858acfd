"""The bundled portrait as pixels."""

from mmgt.assets import ASTRONAUT
from mmgt.media import read_picture


def astronaut():
    """[512, 512, 3] uint8 RGB."""
    return read_picture(ASTRONAUT)
