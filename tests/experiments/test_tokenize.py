"""`ringworld tokenize`: the same codes on any number of ranks, pictures and clips out of them, mistakes in one line."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import launch
from record_reading import declared_columns
from vqgan_checkpoint import CODES, CODES_PER_SIDE, FRAME_SIDE, write_vqgan

ROWS = launch.REPOSITORY / "experiments" / "tokenize" / "rows.hpp"
GOLDEN = launch.REPOSITORY / "tests" / "media" / "golden"
TIMEOUT = 300  # the codes of 400 clips are 10 s of work, which other jobs may share the cores with
STOPPED = 75


def picture(number: int, width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin((x + 11 * number) / (5 + c) + y / (9 - 2 * c)) for c in range(3)]
    return Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenize")
    write_vqgan(made / "net.h5")
    write_vqgan(made / "other.h5", seed=1)
    picture(0, 70, 50).save(made / "wide.png")
    picture(1, 40, 90).save(made / "tall.jpg", quality=90)
    frames = [picture(number, 48, 36) for number in range(12)]
    frames[0].save(made / "waves.gif", save_all=True, append_images=frames[1:], duration=250)
    (made / "frames").mkdir()
    for number, frame in enumerate(frames):
        frame.save(made / "frames" / f"{number + 1}.png")
    (made / "nothing").mkdir()
    (made / "text.png").write_text("words, not pixels", encoding="utf-8")
    (made / "cut.png").write_bytes((made / "wide.png").read_bytes()[:200])
    return made


ITEMS = ("wide.png", "tall.jpg", "waves.gif", "frames")


def tokenize(folder: Path, *flags: launch.Argument, ranks: int | None = None) -> launch.Finished:
    return launch.run(ranks, "tokenize", "--tokenizer", folder / "net.h5", *flags, timeout=TIMEOUT)


def inputs(folder: Path, *names: str) -> list[launch.Argument]:
    return ["--input", *(folder / name for name in names)]


def codes_of(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        return {name: dataset[:] for name, dataset in file["codes"].items()}


def table(path: Path, name: str) -> Any:
    with h5py.File(path, "r") as file:
        return file[f"/tokenize/{name}"][:]


@pytest.fixture(scope="module")
def codes(folder: Path) -> Path:
    path = folder / "codes.h5"
    made = tokenize(folder, *inputs(folder, *ITEMS), "--frames", 5, "--output", path)
    assert made.code == 0, str(made)
    return path


@pytest.mark.parametrize("ranks", [2, 3])
def test_the_content_does_not_depend_on_ranks(folder: Path, codes: Path, tmp_path: Path, ranks: int) -> None:
    output = tmp_path / "codes.h5"
    shared = tokenize(folder, *inputs(folder, *ITEMS), "--frames", 5, "--batch", 2, "--output", output, ranks=ranks)
    assert shared.code == 0, str(shared)
    alone = codes_of(codes)
    assert set(codes_of(output)) == set(alone) == {"frames", "tall", "wide", "waves"}
    for name, wanted in alone.items():
        np.testing.assert_array_equal(codes_of(output)[name], wanted, err_msg=name)
    np.testing.assert_array_equal(table(output, "frames"), table(codes, "frames"))
    for column in ("source", "source_digest", "name", "frames", "source_frames", "codes_used", "psnr", "outcome"):
        np.testing.assert_array_equal(table(output, "items")[column], table(codes, "items")[column], err_msg=column)


def test_the_record_says_what_was_done(folder: Path, codes: Path) -> None:
    items = table(codes, "items")
    assert list(items.dtype.names) == list(declared_columns(ROWS)["/tokenize/items"])
    assert [bytes(name).decode() for name in items["name"]] == ["wide", "tall", "waves", "frames"]
    assert list(items["frames"]) == [1, 1, 5, 5] and list(items["source_frames"]) == [1, 1, 12, 12]
    assert all(items["valid"]) and set(items["resize_filter"]) == {b"pillow_bicubic"}
    assert all(items["frames_per_second"] > 0) and all(items["seconds"] >= items["read_seconds"])
    frames = table(codes, "frames")
    assert list(frames["source_frame"]) == [0, 0, *[0, 2, 5, 8, 11] * 2], "numpy.linspace(0, 11, 5), truncated"
    np.testing.assert_allclose(frames["time"], [0, 0, 0, 0.5, 1.25, 2, 2.75, 0, 2, 5, 8, 11])
    with h5py.File(codes, "r") as file:
        digest = file.attrs["frame_tokenizer_digest"]
        assert file.attrs["codes_per_side"] == CODES_PER_SIDE and file.attrs["codebook_size"] == CODES
    assert set(items["tokenizer_digest"]) == {digest.encode()}
    for row, (name, values) in zip(items[np.argsort(items["name"])], sorted(codes_of(codes).items())):
        assert values.shape == (row["frames"], CODES_PER_SIDE, CODES_PER_SIDE) and values.dtype == np.int32, name
        assert values.min() >= 0 and values.max() < CODES
        assert row["codes_used"] == len(np.unique(values)) > 1


def test_a_folder_and_an_animation_of_the_same_frames_have_nearly_the_same_codes(codes: Path) -> None:
    made = codes_of(codes)
    assert np.mean(made["waves"] == made["frames"]) > 0.5, "the animation has 256 colours"


def test_folders_may_stand_for_their_files(folder: Path, codes: Path, tmp_path: Path) -> None:
    output = tmp_path / "codes.h5"
    made = tokenize(folder, *inputs(folder, "frames"), "--folders", "items", "--output", output)
    assert made.code == 0, str(made)
    names = [bytes(name).decode() for name in table(output, "items")["name"]]
    assert names == [str(number) for number in range(1, 13)], "in natural order"
    np.testing.assert_array_equal(codes_of(output)["6"], codes_of(codes)["frames"][2:3])


def test_a_rate_is_kept_by_the_times_of_frames(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "codes.h5"
    assert tokenize(folder, *inputs(folder, "waves.gif"), "--fps", 1, "--output", output).code == 0
    assert list(table(output, "frames")["source_frame"]) == [0, 4, 8]
    assert list(table(output, "frames")["time"]) == [0, 1, 2]


def decoded(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.float64)


def test_codes_become_pictures(folder: Path, codes: Path, tmp_path: Path) -> None:
    made = tokenize(folder, "--decode", codes, "--output", tmp_path / "pictures")
    assert made.code == 0, str(made)
    names = sorted(str(path.relative_to(tmp_path / "pictures")) for path in (tmp_path / "pictures").rglob("*.png"))
    clips = [f"{clip}/000{number}.png" for clip in ("frames", "waves") for number in range(5)]
    assert names == sorted([*clips, "tall.png", "wide.png"])
    assert tokenize(folder, "--decode", codes, "--item", "wide", "--output", tmp_path / "wide.png").code == 0
    assert (tmp_path / "wide.png").read_bytes() == (tmp_path / "pictures" / "wide.png").read_bytes()
    # The round trip by hand: the frame as LWM cuts it, against the picture that was written.
    with Image.open(folder / "wide.png") as image:
        frame = np.asarray(image.resize((44, 32)).crop((6, 0, 38, 32))).astype(np.float64)
    picture_made = decoded(tmp_path / "wide.png")
    assert picture_made.shape == (FRAME_SIDE, FRAME_SIDE, 3)
    ratio = 10 * np.log10(255**2 / np.mean((frame - picture_made) ** 2))
    row = table(codes, "items")[0]
    assert row["psnr_frames"] == 1 and abs(row["psnr"] - ratio) < 0.1, "bytes are truncated"


def test_codes_become_clips(folder: Path, codes: Path, tmp_path: Path) -> None:
    for ranks in (None, 2, 3):
        output = tmp_path / f"{ranks}.gif"
        made = tokenize(folder, "--decode", codes, "--item", "waves", "--batch", 1, "--output", output, ranks=ranks)
        assert made.code == 0, str(made)
        assert output.read_bytes() == (tmp_path / "None.gif").read_bytes()
    with Image.open(tmp_path / "None.gif") as clip:
        assert getattr(clip, "n_frames", 0) == 5 and clip.size == (FRAME_SIDE, FRAME_SIDE)
        assert clip.info["duration"] == 690, "four frames in 2.75 s"
    assert tokenize(folder, "--decode", codes, "--output", tmp_path / "pictures").code == 0
    video = tokenize(folder, "--decode", codes, "--item", "waves", "--fps", 4, "--output", tmp_path / "clip.mp4")
    if video.code == 2:
        assert "RINGWORLD_ENABLE_FFMPEG" in video.stderr or "writes no video" in video.stderr, str(video)
        return
    again = tmp_path / "again.h5"
    assert tokenize(folder, "--input", tmp_path / "clip.mp4", "--output", again).code == 0
    assert list(table(again, "frames")["time"]) == [0, 0.25, 0.5, 0.75, 1]


def test_a_resumed_run_does_what_is_left(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "codes.h5"
    assert tokenize(folder, *inputs(folder, "wide.png", "waves.gif"), "--output", output).code == 0
    more = tokenize(folder, *inputs(folder, *ITEMS), "--output", output, "--resume", ranks=2)
    assert more.code == 0, str(more)
    items = table(output, "items")
    assert [bytes(name).decode() for name in items["name"]] == ["wide", "waves", "tall", "frames"]
    assert list(items["run"]) == [0, 0, 1, 1]
    assert "2 points were in the record already" in more.stderr


def test_a_second_item_of_a_name_gets_another(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    picture(5, 64, 64).save(tmp_path / "inner" / "wide.png")
    output = tmp_path / "codes.h5"
    made = tokenize(folder, "--input", folder / "wide.png", tmp_path / "inner" / "wide.png", "--output", output)
    assert made.code == 0, str(made)
    assert sorted(codes_of(output)) == ["wide", "wide-2"]


def test_a_run_that_was_ended_twice_goes_on(folder: Path, tmp_path: Path) -> None:
    names = [tmp_path / f"clip{number}.gif" for number in range(240)]
    frames = [picture(step, 40, 40) for step in range(24)]
    frames[0].save(names[0], save_all=True, append_images=frames[1:], duration=100)
    for name in names[1:]:
        shutil.copy(names[0], name)
    output = tmp_path / "codes.h5"
    flags = ["--input", *names, "--psnr-frames", "-1", "--batch", "1", "--output", output, "--resume"]
    command = launch.command_line(None, ["tokenize", "--tokenizer", folder / "net.h5", *flags])
    held = [0]
    for end in (signal.SIGKILL, signal.SIGTERM):
        with launch.started(command) as process:
            assert process.stderr is not None
            begin = time.monotonic()
            while time.monotonic() < begin + TIMEOUT:
                line = process.stderr.readline()
                assert line, "the run was over before it could be ended"
                # Commits are at most a few seconds apart.
                if line.startswith("[") and "codes" in keys_of(output) and len(table(output, "items")) > held[-1]:
                    break
            process.send_signal(end)
            process.wait(timeout=TIMEOUT)
            assert process.returncode == (STOPPED if end == signal.SIGTERM else -signal.SIGKILL), process.stderr.read()
        held.append(len(table(output, "items")))
        assert held[-2] < held[-1] < len(names)
    finished = tokenize(folder, *flags)
    assert finished.code == 0, str(finished)
    runs = [run for run in range(2) for _ in range(held[run + 1] - held[run])]
    assert list(table(output, "items")["run"]) == [*runs, *[2] * (len(names) - held[-1])]
    whole = tmp_path / "whole.h5"
    assert tokenize(folder, "--input", *names, "--output", whole, "--psnr-frames", 0).code == 0
    expected, found = codes_of(whole), codes_of(output)
    assert found.keys() == expected.keys()
    for item, values in expected.items():
        np.testing.assert_array_equal(found[item], values, err_msg=item)


def keys_of(path: Path) -> list[str]:
    try:
        with h5py.File(path, "r", locking=False) as file:
            return list(file)
    except OSError:
        return []


MISTAKES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("nothing to do", (), ("--input", "--decode", "one of them")),
    ("both ways", ("--input", "wide.png", "--decode", "codes.h5"), ("one of them",)),
    ("absent", ("--input", "absent.png"), ("absent.png", "no such file")),
    ("text", ("--input", "text.png"), ("text.png", "PNG")),
    ("cut", ("--input", "wide.png", "cut.png"), ("cut.png", "damaged PNG")),
    ("folder without pictures", ("--input", "nothing"), ("nothing", "no picture")),
    ("two choices", ("--input", "wide.png", "--frames", "3", "--fps", "1"), ("--frames", "--fps", "one of them")),
    ("negative", ("--input", "wide.png", "--frames", "-3"), ("--frames",)),
    ("item without decode", ("--input", "wide.png", "--item", "wide"), ("--item", "--decode")),
    ("no network", ("--input", "wide.png"), ("--tokenizer is missing",)),
    ("no network file", ("--input", "wide.png", "--tokenizer", "wide.png"), ("wide.png",)),
    ("another network", ("--decode", "codes.h5", "--tokenizer", "other.h5"), ("codes.h5", "another network", "digest")),
    ("resumed with another", ("--input", "wide.png", "--tokenizer", "other.h5", "--output", "codes.h5", "--resume"),
     ("codes.h5", "another network")),
    ("no codes", ("--decode", "net.h5"), ("net.h5", "holds no codes")),
    ("no HDF5", ("--decode", "wide.png"), ("wide.png", "HDF5")),
    ("unknown item", ("--decode", "codes.h5", "--item", "wid"), ("wid", "did you mean 'wide'")),
    ("many items", ("--decode", "codes.h5", "--output", "out.gif"), ("out.gif", "4 items", "--item")),
    ("many frames", ("--decode", "codes.h5", "--item", "waves", "--output", "out.png"), ("out.png", "5", "gif")),
    ("fast", ("--decode", "codes.h5", "--item", "waves", "--fps", "80", "--output", "out.gif"), ("80", "50")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "flags", "says"), MISTAKES, ids=[entry[0] for entry in MISTAKES])
def test_mistakes_are_one_line(
    folder: Path, codes: Path, what: str, flags: tuple[str, ...], says: tuple[str, ...]
) -> None:
    given = ("tokenize", *flags)
    given += () if "--tokenizer" in flags or what == "no network" else ("--tokenizer", "net.h5")
    given += () if "--output" in flags else ("--output", "made.h5")
    before = codes.read_bytes()
    finished = launch.run(2, *given, timeout=TIMEOUT, cwd=folder)
    assert finished.code == 2, f"{what}: {finished}"
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), str(finished)
    assert codes.read_bytes() == before
    assert not list(folder.glob("out.*"))


def test_what_was_done_before_a_broken_file_is_kept(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "codes.h5"
    broken = tokenize(folder, *inputs(folder, "wide.png", "tall.jpg", "cut.png"), "--output", output)
    assert broken.code == 2, str(broken)
    assert list(table(output, "items")["source"]) == [str(folder / name).encode() for name in ("wide.png", "tall.jpg")]
