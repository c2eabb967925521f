"""Pictures: whatever is in the file, upright RGB comes out, or one sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from common import pictures
from common.errors import CommonError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(folder: Path, image: Image.Image, name: str, **options: object) -> Path:
    path = folder / name
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_photograph_taken_sideways_is_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right to see it upright
    found = pictures.read(saved(tmp_path, image, "turned.png", exif=exif))
    assert found.size == (2, 4)
    assert found.getpixel((1, 0)) == RED


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (*RED, 255))
    for name in ("see-through.png", "see-through.webp"):
        found = pictures.read(saved(tmp_path, image, name, lossless=True))
        assert [found.getpixel((x, 0)) for x in (0, 1)] == [WHITE, RED]


def test_a_palette_may_be_transparent_too(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([0, 0, 0, *RED])
    path = saved(tmp_path, image, "palette.gif", transparency=0)
    assert pictures.read(path).getpixel((0, 0)) == WHITE


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "print.tif")
    red, green, blue = pictures.read(path).getpixel((4, 4))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    values = np.array([[0, 32768, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(values), "deep.png")
    found = np.asarray(pictures.read(path))[0, :, 0]
    assert found.tolist() == [0, 128, 255]


def test_floats_from_0_to_1_are_scaled(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0, 1]], np.float32)), "floats.tif")
    assert np.asarray(pictures.read(path))[0, :, 0].tolist() == [0, 255]


def test_of_a_film_the_first_picture_is_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (3, 3), RED), Image.new("RGB", (3, 3), "blue")
    path = saved(tmp_path, first, "film.gif", save_all=True, append_images=[second])
    assert pictures.read(path).getpixel((1, 1)) == RED


@pytest.mark.parametrize("size", [(1, 1), (20_000, 10), (3, 500)])
def test_any_shape_of_picture_is_read_and_fitted(tmp_path: Path, size: tuple[int, int]) -> None:
    path = saved(tmp_path, Image.new("L", size, 128), "odd.png")
    found = pictures.array(pictures.fitted(pictures.read(path), (32, 24)))
    assert found.shape == (3, 32, 24)
    np.testing.assert_allclose(found, 128 / 255, atol=1e-6)


def test_what_is_no_picture_is_told_in_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    with pytest.raises(CommonError, match="is not a picture"):
        pictures.read(text)
    with pytest.raises(CommonError, match="No such file"):
        pictures.read(tmp_path / "missing.png")
    with pytest.raises(CommonError, match="cannot read"):
        pictures.read(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif", ".webp", ".bmp"])
def test_a_picture_cut_off_anywhere_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, format=Image.registered_extensions()[suffix])
    data = buffer.getvalue()
    for end in range(0, len(data) - 1, max(1, len(data) // 40)):
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(data[:end])
        try:
            size = pictures.read(path).size
        except CommonError:
            continue
        assert size == (40, 40)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without it")
def test_a_damaged_avif_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (64, 64), RED), "damaged.avif")
    head, mark, numbers = path.read_bytes().partition(b"mdat")
    path.write_bytes(head + mark + bytes(len(numbers)))
    with pytest.raises(CommonError, match=r"damaged\.avif"):
        pictures.read(path)


def test_writing_touches_no_file_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "z.part.png").write_text("the user's")
    pictures.write(Image.new("RGB", (2, 2)), tmp_path / "z.png")
    with pytest.raises(CommonError, match="cannot write"):
        pictures.write(Image.new("RGB", (2, 2)), tmp_path / "y.jpg", quality="a lot")
    assert {path.name for path in tmp_path.iterdir()} == {"z.png", "z.part.png"}
    assert (tmp_path / "z.part.png").read_text() == "the user's"
    (tmp_path / "x.png").mkdir()
    with pytest.raises(CommonError, match="is a folder"):
        pictures.check_writable(tmp_path / "x.png")


def test_a_picture_too_large_to_be_safe_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pbm"
    path.write_bytes(b"P4 100000 100000\n")
    with pytest.raises(CommonError, match="pixels"):
        pictures.read(path)


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommonError, match="no picture"):
        list(pictures.files(tmp_path))
