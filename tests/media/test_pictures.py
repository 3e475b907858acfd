import numpy as np
import pytest
from PIL import Image

from mmgt.errors import InputError
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


def test_grey_of_16_bits_and_floats_are_scaled_by_their_range(tmp_path):
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    wanted = np.repeat((ramp * 255).round()[..., None], 3, axis=2)
    Image.fromarray((ramp * 65535).round().astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "f.tif")
    Image.fromarray((ramp * 1000).astype(np.float32)).save(tmp_path / "wide.tif")
    Image.fromarray((ramp * 2e9).astype(np.int32)).save(tmp_path / "32.tif")
    for name in ("16.png", "f.tif", "wide.tif", "32.tif"):
        np.testing.assert_allclose(read_picture(tmp_path / name), wanted, atol=1, err_msg=name)


def test_a_picture_of_nan_is_one_sentence(tmp_path):
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(InputError, match="NaN"):
        read_picture(tmp_path / "nan.tif")


@pytest.mark.parametrize("side", [(10_100, 10_000), (20_000, 10_000)])
def test_a_huge_picture_is_one_sentence(tmp_path, side):
    Image.new("1", side).save(tmp_path / "huge.png")
    with pytest.raises(InputError, match="more than 100 megapixels"):
        read_picture(tmp_path / "huge.png")


def test_a_colour_profile_is_converted_and_transparency_kept(tmp_path):
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = np.full((4, 4, 4), (200, 100, 50, 255), np.uint8)
    picture[0] = (0, 0, 0, 0)
    Image.fromarray(picture).save(tmp_path / "p.png", icc_profile=srgb)
    read = read_picture(tmp_path / "p.png")
    assert np.abs(read[1].astype(int) - (200, 100, 50)).max() <= 1
    assert (read[0] == 255).all()


def test_a_broken_colour_profile_is_left_aside(tmp_path, caplog):
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "p.png", icc_profile=b"no profile" * 20)
    assert tuple(read_picture(tmp_path / "p.png")[0, 0]) == (10, 20, 30)
    assert "colour profile" in caplog.text


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0, 255), (1.0, 255), (0.0, 0), (np.int32(100_000), 255), (np.int32(200), 200)]
)
def test_a_flat_picture_keeps_its_level(tmp_path, value, shown):
    dtype = np.float32 if isinstance(value, float) else np.int32
    Image.fromarray(np.full((4, 4), value, dtype)).save(tmp_path / "flat.tif")
    assert (read_picture(tmp_path / "flat.tif") == shown).all()


def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no file's name"):
        read_picture(tmp_path / ("n" * 300 + ".png"))
