"""`ringworld generate` with images and videos: the same answers whoever computes them, files that can be looked at, and
mistakes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import launch
from needle_checkpoint import write_checkpoint
from vision_checkpoint import CODES_PER_FRAME, SIDE, write_frame_tokenizer, write_vision_checkpoint

TIMEOUT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("generate_vision")
    write_vision_checkpoint(made / "model.h5", write_frame_tokenizer(made / "frames.h5"))
    rng = np.random.default_rng(1)
    pictures = [Image.fromarray(rng.integers(0, 256, (SIDE, SIDE + 3, 3), dtype=np.uint8)) for _ in range(6)]
    pictures[0].save(made / "picture.png")
    pictures[0].save(made / "clip.gif", save_all=True, append_images=pictures[1:], duration=500)
    return made


def generate(
    folder: Path, output: Path, *flags: launch.Argument, ranks: int | None = None, checkpoint: str = "model.h5"
) -> launch.Finished:
    return launch.run(
        ranks, "generate", "--checkpoint", folder / checkpoint, "--output", output, *flags, timeout=TIMEOUT
    )


def row_of(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        rows = file["/generation/prompts"][:]
    assert len(rows) == 1
    return {name: rows[0][name].item() for name in rows.dtype.names}


SAMPLING: tuple[launch.Argument, ...] = ("--temperature", "1.5", "--top-k", 9, "--guidance", "2.5", "--seed", 4)


def test_a_question_about_frames_is_answered_by_the_same_text_on_any_ranks(folder: Path, tmp_path: Path) -> None:
    for media in (("--image", "picture.png", 1), ("--video", "clip.gif", 6)):
        flags = (media[0], folder / media[1], "--prompt", "waa wab", "--new-tokens", 6)
        alone = generate(folder, tmp_path / "alone.h5", *flags)
        assert alone.code == 0, str(alone)
        row = row_of(tmp_path / "alone.h5")
        assert (row["target"], row["given_frames"], row["source_frames"]) == (b"text", media[2], media[2])
        # bos, <vision>, frames with a marker each, </vision>, two words
        assert row["prompt_tokens"] == 1 + 1 + media[2] * (CODES_PER_FRAME + 1) + 1 + 2
        for ranks in (2, 3):
            shared = generate(folder, tmp_path / f"{ranks}.h5", *flags, ranks=ranks)
            assert shared.code == 0, str(shared)
            assert shared.stdout == alone.stdout
            other = row_of(tmp_path / f"{ranks}.h5")
            assert other["given_digest"] == row["given_digest"] and other["answer_digest"] == row["answer_digest"]


def test_the_answer_depends_on_the_frames(folder: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("black", "white", "picture"):
        picture = tmp_path / f"{name}.png"
        if name == "picture":
            picture = folder / "picture.png"
        else:
            Image.new("RGB", (SIDE, SIDE), name).save(picture)
        output = tmp_path / f"{name}.h5"
        assert generate(folder, output, "--image", picture, "--new-tokens", 8).code == 0
        digests.add((row_of(output)["given_digest"], row_of(output)["answer_digest"]))
    assert len({given for given, _ in digests}) > 1, (
        "the network tells no frame from another: the test needs another seed"
    )
    assert len(digests) == len({given for given, _ in digests}) == len({answer for _, answer in digests})


def test_frames_of_a_video_are_chosen_by_number_or_by_rate(folder: Path, tmp_path: Path) -> None:
    for flags, frames, last in ((("--frames", 3), 3, 2.5), (("--fps", 1), 3, 2.0), ((), 6, 2.5)):
        output = tmp_path / "run.h5"
        finished = generate(folder, output, "--video", folder / "clip.gif", "--new-tokens", 1, *flags)
        assert finished.code == 0, str(finished)
        row = row_of(output)
        assert (row["given_frames"], row["source_frames"]) == (frames, 6)
        assert (row["first_frame_time"], row["last_frame_time"]) == (0, pytest.approx(last))


def test_an_image_is_the_same_picture_on_any_mesh(folder: Path, tmp_path: Path) -> None:
    flags = ("--to", "image", "--prompt", "waa wab", *SAMPLING)
    pictures = set()
    for ranks, mesh in ((None, "1,1,1,1"), (2, "1,1,1,2"), (3, "1,1,1,3"), (4, "1,1,2,2")):
        picture, output = tmp_path / f"{ranks}.png", tmp_path / f"{ranks}.h5"
        finished = generate(folder, output, *flags, "--mesh", mesh, "--media-output", picture, ranks=ranks)
        assert finished.code == 0, str(finished)
        assert finished.stdout.strip() == str(picture)
        pictures.add(picture.read_bytes())
        row = row_of(output)
        assert (row["target"], row["new_frames"]) == (b"image", 1)
        # codes, the last marker and </vision>
        assert row["new_tokens"] == row["new_tokens_limit"] == CODES_PER_FRAME + 2
        assert (row["temperature"], row["top_k"], row["guidance"], row["seed"]) == (1.5, 9, 2.5, 4)
    assert len(pictures) == 1
    with Image.open(tmp_path / "None.png") as image:
        assert image.size == (SIDE, SIDE)


def test_a_seed_names_the_draws_and_guidance_changes_them(folder: Path, tmp_path: Path) -> None:
    def digest(*flags: launch.Argument) -> bytes:
        output = tmp_path / "run.h5"
        finished = generate(
            folder, output, "--to", "video", "--new-frames", 3, "--prompt", "waa", "--media-output",
            tmp_path / "made.gif", *flags,
        )  # fmt: skip
        assert finished.code == 0, str(finished)
        return row_of(output)["answer_digest"]

    sampled = ("--temperature", 1)
    assert digest(*sampled, "--seed", 1) == digest(*sampled, "--seed", 1)
    assert digest(*sampled, "--seed", 1) != digest(*sampled, "--seed", 2)
    assert digest(*sampled, "--seed", 1) != digest(*sampled, "--seed", 1, "--guidance", 4)
    assert digest(*sampled, "--seed", 1) != digest()
    assert digest() == digest("--top-k", 3), "the likeliest token is among any top k"


def test_a_video_is_made_goes_on_from_an_image_or_begins_with_one(folder: Path, tmp_path: Path) -> None:
    flags = ("--to", "video", "--new-frames", 3, "--prompt", "waa", "--temperature", 1, "--media-output")
    for extra, given in (
        ((), 0),
        (("--image", folder / "picture.png"), 1),
        (("--first-frame-prompt", "wab", "--first-frame-guidance", 3, "--prompt-style", "lwm"), 0),
    ):
        clip, output = tmp_path / "made.gif", tmp_path / "run.h5"
        finished = generate(folder, output, *flags, clip, *extra, ranks=2)
        assert finished.code == 0, str(finished)
        row = row_of(output)
        assert (row["given_frames"], row["new_frames"]) == (given, 3)
        assert row["new_tokens"] == row["new_tokens_limit"] == 3 * (CODES_PER_FRAME + 1) + 1
        with Image.open(clip) as animation:
            shown = getattr(animation, "n_frames", 1)
            assert animation.size == (SIDE, SIDE) and 1 <= shown <= 3  # equal frames may be one


def test_a_video_may_be_an_mp4_file(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "made.mp4"
    finished = generate(
        folder, tmp_path / "run.h5", "--to", "video", "--new-frames", 2, "--prompt", "waa", "--media-output", clip
    )
    if finished.code == 2:  # a build without FFmpeg's libraries says so
        assert "this build writes no video" in finished.errors[0] and not clip.exists()
        return
    assert finished.code == 0, str(finished)
    assert clip.read_bytes()[4:8] == b"ftyp"
    again = generate(folder, tmp_path / "again.h5", "--video", clip, "--new-tokens", 1)
    assert again.code == 0, str(again)
    assert row_of(tmp_path / "again.h5")["given_frames"] == 2


def test_text_is_sampled_too(folder: Path, tmp_path: Path) -> None:
    texts = set()
    for seed in (0, 1):
        flags = ("--prompt", "waa wab wac", "--temperature", 2, "--top-k", 20, "--seed", seed)
        alone = generate(folder, tmp_path / "alone.h5", *flags)
        shared = generate(folder, tmp_path / "shared.h5", *flags, ranks=3)
        assert alone.code == 0 and shared.code == 0, str(shared)
        assert alone.stdout == shared.stdout
        texts.add(alone.stdout)
    assert len(texts) == 2


def test_a_prompt_beyond_the_trained_context_is_a_warning(folder: Path, tmp_path: Path) -> None:
    finished = generate(folder, tmp_path / "run.h5", "--prompt", "waa", "--new-tokens", 130)
    assert finished.code == 0, str(finished)
    assert "more than the 128" in finished.stderr


VIDEO: tuple[launch.Argument, ...] = ("--to", "video", "--prompt", "waa", "--new-frames", 2, "--media-output", "x.gif")
MISTAKES: list[tuple[str, tuple[launch.Argument, ...], tuple[str, ...]]] = [
    ("a broken image", ("--image", "broken.png"), ("broken.png",)),
    ("no such image", ("--image", "absent.png"), ("absent.png",)),
    ("an image and a video", ("--image", "a.png", "--video", "b.gif"), ("--image", "--video")),
    ("two choices of frames", ("--video", "b.gif", "--frames", 2, "--fps", 1), ("--frames", "--fps")),
    ("frames of no video", ("--prompt", "waa", "--frames", 2), ("--frames", "--video")),
    ("guided text", ("--prompt", "waa", "--guidance", 2), ("--guidance", "--to image")),
    ("a file for text", ("--prompt", "waa", "--media-output", "x.png"), ("--media-output",)),
    ("no file for an image", ("--to", "image", "--prompt", "waa"), ("--media-output",)),
    ("a file of another kind", ("--to", "image", "--prompt", "waa", "--media-output", "x.jpg"), (".png",)),
    ("a video as a picture", (*VIDEO[:-1], "x.png"), (".gif or .mp4",)),
    ("a video without frames", (*VIDEO[:4], *VIDEO[6:]), ("--new-frames",)),
    ("an image of an image", ("--to", "image", "--prompt", "waa", "--image", "a.png", "--media-output", "x.png"),
     ("--image",)),
    ("nothing to show", ("--to", "image", "--media-output", "x.png"), ("--prompt",)),
    ("a temperature below zero", ("--prompt", "waa", "--temperature", "-1"), ("--temperature -1",)),
    ("a top-k below zero", ("--prompt", "waa", "--top-k", "-1"), ("--top-k -1",)),
    ("a folder that is not there", (*VIDEO[:-1], "absent/x.gif"), ("absent",)),
    ("settings of no first frame", (*VIDEO, "--first-frame-top-k", 5), ("--first-frame-prompt",)),
    ("a target that is none", ("--to", "sound", "--prompt", "waa"), ("sound", "text, image, video")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "flags", "says"), MISTAKES, ids=[entry[0] for entry in MISTAKES])
def test_mistakes_are_one_line(
    folder: Path, tmp_path: Path, what: str, flags: tuple[launch.Argument, ...], says: tuple[str, ...]
) -> None:
    (tmp_path / "broken.png").write_bytes((folder / "picture.png").read_bytes()[:60])
    finished = launch.run(
        2, "generate", "--checkpoint", folder / "model.h5", *flags, "--output", "out.h5", timeout=TIMEOUT, cwd=tmp_path
    )
    assert finished.code == 2, f"{what}: {finished}"
    assert len(finished.errors) == 1, str(finished)
    assert all(word in finished.errors[0] for word in says), str(finished)
    assert not (tmp_path / "out.h5").exists()


def test_a_model_must_know_the_frames(folder: Path, tmp_path: Path) -> None:
    image = ("--image", folder / "picture.png")
    write_checkpoint(folder / "text.h5")
    write_vision_checkpoint(folder / "unnamed.h5", None)
    write_vision_checkpoint(folder / "another.h5", folder / "frames.h5", frame_tokenizer_digest="0" * 16)
    for checkpoint, flags, says in (
        ("text.h5", (), ("text.h5", "no part 'vision'")),
        ("unnamed.h5", (), ("frame_tokenizer",)),
        ("another.h5", (), ("frames.h5", "another codebook")),
        ("model.h5", ("--frame-tokenizer", folder / "text.h5"), ("text.h5", "no VQGAN")),
    ):
        finished = generate(folder, tmp_path / "out.h5", *image, *flags, ranks=2, checkpoint=checkpoint)
        assert finished.code == 2, str(finished)
        assert len(finished.errors) == 1 and all(word in finished.errors[0] for word in says), str(finished)
    told = generate(
        folder, tmp_path / "out.h5", *image, "--frame-tokenizer", folder / "frames.h5", checkpoint="unnamed.h5"
    )
    assert told.code == 0, str(told)
    assert row_of(tmp_path / "out.h5")["frame_tokenizer"].endswith(b"frames.h5")
