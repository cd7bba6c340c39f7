"""Makes tests/media/golden: small PNG, JPEG and GIF files, and what Pillow reads from them or makes of them, as PPM.

usage: python tests/media/make_golden.py      (Pillow and numpy; run again only when a case is added)
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "golden"
WIDTH, HEIGHT = 13, 11
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
SIZES = [(16, 16), (100, 29), (57, 20), (20, 43), (1, 1), (171, 7), (58, 44)]
SQUARES = [(57, 43, 16), (43, 57, 16), (57, 16, 16), (19, 64, 32), (70, 33, 32), (21, 20, 8)]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_row(samples: np.ndarray, depth: int) -> bytes:
    """One row with its filter byte (none)."""
    if depth == 16:
        return b"\0" + samples.astype(">u2").tobytes()
    bits = np.unpackbits(samples.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return b"\0" + np.packbits(bits.reshape(-1)).tobytes()


def png(pixels: np.ndarray, colour: int, depth: int, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG file by hand, as Pillow writes few of the kinds that it reads. pixels: (height, width, channels)."""
    height, width, _ = pixels.shape
    passes = PASSES if interlaced else [(0, 0, 1, 1)]
    rows = b""
    for left, top, step_x, step_y in passes:
        for row in pixels[top::step_y, left::step_x]:
            if len(row):
                rows += packed_row(row.reshape(-1), depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def ppm(name: str, image: Image.Image) -> None:
    assert image.mode == "RGB"
    (FOLDER / f"{name}.ppm").write_bytes(b"P6 %d %d 255\n" % image.size + image.tobytes())


def scene(width: int, height: int, draws: np.random.Generator) -> Image.Image:
    """Smooth colours, hard edges and noise."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 127 + 120 * np.sin(x * y / 40.0)], axis=-1)
    pixels[height // 4 : height // 2, width // 3 : width // 2] = (255, 255, 255)
    pixels[height // 2 :, width // 2 : width // 2 + 3] = 0
    pixels += draws.normal(0, 12, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def make_pngs(draws: np.random.Generator) -> None:
    palette = draws.integers(0, 256, (256, 3), dtype=np.uint8)
    for name, colour, depth, interlaced in [
        ("grey1", GREY, 1, False), ("grey2", GREY, 2, True), ("grey4", GREY, 4, False), ("grey8", GREY, 8, False),
        ("grey8_interlaced", GREY, 8, True), ("grey16", GREY, 16, False), ("grey_alpha8", GREY_ALPHA, 8, False),
        ("rgb8", RGB, 8, False), ("rgb8_interlaced", RGB, 8, True), ("rgb16", RGB, 16, False),
        ("rgb16_interlaced", RGB, 16, True), ("rgb8_key", RGB, 8, False), ("rgb_alpha8", RGB_ALPHA, 8, False),
        ("rgb_alpha16", RGB_ALPHA, 16, False), ("palette1", PALETTE, 1, False), ("palette2", PALETTE, 2, False),
        ("palette4_interlaced", PALETTE, 4, True), ("palette8", PALETTE, 8, False),
        ("palette8_alpha", PALETTE, 8, False),
    ]:  # fmt: skip
        pixels = draws.integers(0, 2**depth, (HEIGHT, WIDTH, CHANNELS[colour]))
        extra = chunk(b"PLTE", palette[: 2**depth].tobytes()) if colour == PALETTE else b""
        extra += chunk(b"tRNS", bytes(range(0, 250, 5))) if name == "palette8_alpha" else b""
        extra += chunk(b"tRNS", pixels[0, 0].astype(">u2").tobytes()) if name == "rgb8_key" else b""
        path = FOLDER / f"{name}.png"
        path.write_bytes(png(pixels, colour, depth, interlaced, extra))
        with Image.open(path) as image:
            read = image.convert("RGB")
        if name == "grey16":  # Pillow clips at 255; the upper 8 bits are right
            read = Image.fromarray(np.repeat((pixels >> 8).astype(np.uint8), 3, axis=2))
        ppm(name, read)


def make_jpegs(draws: np.random.Generator) -> None:
    picture = scene(37, 29, draws)
    for name, image, options in [
        ("jpeg_444", picture, {"subsampling": 0}),
        ("jpeg_420", picture, {"subsampling": 2}),
        ("jpeg_progressive", picture, {"progressive": True, "subsampling": 1}),
        ("jpeg_grey", picture.convert("L"), {}),
        ("jpeg_cmyk", picture.convert("CMYK"), {}),
    ]:
        path = FOLDER / f"{name}.jpg"
        image.save(path, None, quality=85, **options)
        with Image.open(path) as again:
            ppm(name, again.convert("RGB"))


def make_resized(draws: np.random.Generator) -> None:
    picture = scene(57, 43, draws)
    ppm("resize_input", picture)
    for width, height in SIZES:
        # Rows first, whatever the version: Pillow 13 begins with the columns where they shrink much more.
        rows = picture.resize((width, picture.height), Image.Resampling.BICUBIC)
        ppm(f"resize_{width}x{height}", rows.resize((width, height), Image.Resampling.BICUBIC))
    for width, height, side in SQUARES:
        source = scene(width, height, draws)
        ppm(f"square_input_{width}x{height}", source)
        size = (side, int(side * height / width)) if width < height else (int(side * width / height), side)
        resized = source.resize(size)  # Pillow's default filter
        left, top = (size[0] - side) / 2, (size[1] - side) / 2
        ppm(f"square_{width}x{height}_{side}", resized.crop((left, top, left + side, top + side)))


def lzw(indices: np.ndarray) -> bytes:
    """Indices below 4 as codes of 3 bits: the table is cleared before it needs longer ones."""
    codes = [code for index in indices.reshape(-1) for code in (4, int(index))] + [5]
    bits = "".join(f"{code:03b}"[::-1] for code in codes)
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"\x02" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_by_hand(frames: list[tuple[int, int, np.ndarray, int, int]]) -> bytes:
    """Frames are (left, top, indices below 4, disposal, delay); index 3 is transparent from the second frame on."""
    file = b"GIF89a" + struct.pack("<HHBBB", 12, 10, 0x91, 1, 0) + bytes([9, 9, 9, 200, 0, 0, 0, 180, 0, 0, 0, 250])
    for number, (left, top, indices, disposal, delay) in enumerate(frames):
        height, width = indices.shape
        file += b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (number > 0), delay, 3, 0)
        file += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0) + lzw(indices)
    return file + b";"


def make_gifs(draws: np.random.Generator) -> None:
    """Frames that cover a part of the picture, with transparent pixels, taken away in each of the ways."""
    frames = []
    for number in range(5):
        frame = Image.new("RGBA", (24, 18), (0, 0, 0, 0) if number else (20, 120, 60, 255))
        frame.paste((*(int(v) for v in draws.integers(0, 256, 3)), 255), (3 * number, 2, 3 * number + 6, 9))
        frames.append(frame)
    for name, disposal in (("gif_keep", 1), ("gif_background", 2), ("gif_previous", 3)):
        path = FOLDER / f"{name}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 50, 0, 70], disposal=disposal)
        with Image.open(path) as animation:
            for number in range(getattr(animation, "n_frames", 1)):
                animation.seek(number)
                ppm(f"{name}_{number}", animation.convert("RGB"))
    drawn = [draws.integers(0, 4, shape) for shape in ((10, 12), (4, 5), (6, 6), (3, 4), (10, 12))]
    places = [(0, 0, 1, 10), (2, 3, 3, 20), (5, 1, 1, 1), (0, 6, 2, 5), (0, 0, 1, 0)]
    path = FOLDER / "gif_transparent.gif"
    path.write_bytes(gif_by_hand([(at[0], at[1], frame, at[2], at[3]) for at, frame in zip(places, drawn)]))
    with Image.open(path) as animation:
        for number in range(getattr(animation, "n_frames", 1) - 1):  # behind the fourth, which Pillow takes away to no colour
            animation.seek(number)
            ppm(f"gif_transparent_{number}", animation.convert("RGB"))
    picture = scene(31, 23, draws).quantize(64)
    picture.save(FOLDER / "gif_interlaced.gif", interlace=1)
    ppm("gif_interlaced_0", picture.convert("RGB"))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    draws = np.random.default_rng(20240213)
    make_pngs(draws)
    make_jpegs(draws)
    make_resized(draws)
    make_gifs(draws)


if __name__ == "__main__":
    main()
