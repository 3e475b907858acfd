import numpy as np
from PIL import Image

from mmgt.media import contact_sheet, read_picture


def test_pictures_are_upright_rgb_on_white(tmp_path):
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[:2] = (255, 0, 0, 255)  # below it is transparent
    Image.fromarray(rgba).save(tmp_path / "p.png")
    picture = read_picture(tmp_path / "p.png")
    assert picture.shape == (4, 6, 3)
    assert tuple(picture[0, 0]) == (255, 0, 0)
    assert tuple(picture[3, 0]) == (255, 255, 255)
    image = Image.new("RGB", (6, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(tmp_path / "p.jpg", exif=exif)
    assert read_picture(tmp_path / "p.jpg").shape == (6, 4, 3)


def test_contact_sheet_places_tiles():
    tiles = [np.full((2, 3, 3), value, np.uint8) for value in (1, 2, 3)]
    sheet = contact_sheet(tiles, 2)
    assert sheet.shape == (4, 6, 3)
    assert sheet[0, 0, 0] == 1
    assert sheet[0, 3, 0] == 2
    assert sheet[2, 0, 0] == 3
    assert sheet[2, 3, 0] == 0
