"""How a text was saved changes nothing, or is named: in haystacks, prompts and tokenizer files."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

import launch
from needle_checkpoint import tokenizer_text, write_checkpoint, write_text

TIMEOUT = 60
PLAIN = "the quick brown fox.\njumps over the lazy dog's back\n" * 60


def train(folder: Path, text: bytes, tokenizer: str = "word", ranks: int | None = None) -> launch.Finished:
    (folder / "text.txt").write_bytes(text)
    (folder / "train.toml").write_text(f"""
[model]
preset = "needle"
[data]
haystack = ["{folder}/text.txt"]
tokenizer = "{tokenizer}"
[[stage]]
context_length = 64
rope_theta = 512
steps = 1
batch = 1
learning_rate = 1e-3
""")
    return launch.run(ranks, "train", "--config", folder / "train.toml", "--checkpoint", folder / "model.h5", "--output",
                      folder / "t.h5", timeout=TIMEOUT)  # fmt: skip


def words(folder: Path) -> list[str]:
    with h5py.File(folder / "model.h5") as file:
        return str(file.attrs["tokenizer"]).splitlines()


def refused(finished: launch.Finished, *says: str) -> None:
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    for part in says:
        assert part in finished.errors[0], str(finished)


def test_a_byte_order_mark_and_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = train(tmp_path, PLAIN.encode())
    assert plain.code == 0 and "warning" not in plain.stderr, str(plain)
    expected = words(tmp_path)
    for text in (b"\xef\xbb\xbf" + PLAIN.encode(), PLAIN.replace("\n", "\r\n").encode(), PLAIN.replace("\n", "\r").encode()):
        assert train(tmp_path, text).code == 0
        assert words(tmp_path) == expected


@pytest.mark.parametrize(("encoding", "says"), [
    ("utf-16", ("UTF-16 text", "iconv -f UTF-16 ")), ("utf-32", ("UTF-32 text", "iconv -f UTF-32 ")),
    ("utf-16-le", ("UTF-16LE", "iconv")), ("utf-16-be", ("UTF-16BE", "iconv")), ("utf-32-le", ("UTF-32LE", "iconv")),
])  # fmt: skip
@pytest.mark.parametrize("ranks", [2])
def test_another_encoding_is_refused_with_what_to_do(
    encoding: str, says: tuple[str, ...], ranks: int | None, tmp_path: Path
) -> None:
    refused(train(tmp_path, PLAIN.encode(encoding), ranks=ranks), "text.txt", *says)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    refused(train(tmp_path, "the schön".encode("latin-1")), "text.txt", "byte 7 is 0xf6", "iconv")
    refused(train(tmp_path, b"the quick\0\1\2\3 brown fox"), "text.txt", "byte 9")
    refused(train(tmp_path, b"\xef\xbb\xbf"), "text.txt", "empty")
    refused(train(tmp_path, b""), "text.txt", "empty")


def test_words_with_letters_beyond_ascii_are_whole(tmp_path: Path) -> None:
    text = "Für die schöne Grüße über süße Bäume. Слово и дело. It’s naïve. 今日 " * 60
    finished = train(tmp_path, text.encode())
    assert finished.code == 0 and "warning" not in finished.stderr, str(finished)
    for word in ("für", "grüße", "schöne", "слово", "it's", "naïve", "今", "日"):
        assert word in words(tmp_path), word


def test_the_share_of_bytes_in_no_word_is_told(tmp_path: Path) -> None:
    finished = train(tmp_path, b"word 1234 " * 600, ranks=2)
    assert finished.code == 0, str(finished)
    told = [line for line in finished.stderr.splitlines() if "warning" in line]
    assert len(told) == 1 and "text.txt" in told[0] and "50.0 %" in told[0], str(finished)


def test_a_tokenizer_file_may_have_a_mark_and_other_line_ends(tmp_path: Path) -> None:
    known = write_text(tmp_path / "known.txt").read_bytes()
    lines = tokenizer_text()
    tokenizer = tmp_path / "words.txt"
    for content in (lines.encode(), b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode()):
        tokenizer.write_bytes(content)
        finished = train(tmp_path, known, tokenizer=str(tokenizer))
        assert finished.code == 0, str(finished)
        assert words(tmp_path) == lines.splitlines()
    tokenizer.write_bytes(lines.encode("utf-16"))
    refused(train(tmp_path, known, tokenizer=str(tokenizer)), "words.txt", "UTF-16")


def test_prompts_and_haystacks_of_trained_models_are_read_alike(tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "model.h5")
    text = write_text(tmp_path / "prompt.txt", words=40).read_text().replace(" w", "\nw")
    outputs = set()
    for content in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()):
        (tmp_path / "prompt.txt").write_bytes(content)
        outputs.add(launch.run_successfully(1, "generate", "--checkpoint", model, "--prompt-file", tmp_path / "prompt.txt",
                                            "--new-tokens", 4, "--output", tmp_path / "g.h5").stdout)  # fmt: skip
    assert len(outputs) == 1
    (tmp_path / "prompt.txt").write_bytes(text.encode("utf-16"))
    refused(launch.run(2, "generate", "--checkpoint", model, "--prompt-file", tmp_path / "prompt.txt", "--output",
                       tmp_path / "g.h5"), "prompt.txt", "UTF-16")  # fmt: skip
    refused(launch.run(2, "generate", "--checkpoint", model, "--prompt", b"sch\xf6n".decode("utf-8", "surrogateescape"),
                       "--output", tmp_path / "g.h5"), "--prompt", "byte 3")  # fmt: skip
    refused(launch.run(2, "needle", "--checkpoint", model, "--haystack", tmp_path / "prompt.txt", "--context-length", 64,
                       "--output", tmp_path / "n.h5"), "prompt.txt", "UTF-16")  # fmt: skip
