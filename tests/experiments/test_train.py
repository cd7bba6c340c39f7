"""`ringworld train` as a user runs it: checkpoints that h5py reads, kills, resume, dry runs and mistakes."""

from __future__ import annotations

import re
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch

QUICK = launch.REPOSITORY / "experiments" / "train" / "config" / "quick.toml"
LWM = launch.REPOSITORY / "experiments" / "train" / "config" / "lwm_text_1m.toml"
LOSS_COLUMNS = ("stage", "step", "loss", "grad_norm", "learning_rate")
TERM_COLUMNS = ("stage", "step", "term", "loss", "accuracy", "tokens", "weight")


def train(ranks: int | None, folder: Path, name: str, *flags: launch.Argument) -> launch.Finished:
    """Run the quick configuration with files of its own."""
    return launch.run(
        ranks, "train", "--config", QUICK, "--checkpoint", folder / f"{name}.h5", "--output", folder / f"{name}-run.h5",
        *flags,
    )  # fmt: skip


def tensors(path: Path) -> dict[str, np.ndarray]:
    """Return every dataset of a checkpoint."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def written(path: Path) -> int:
    """Return when the file was written; 0 when there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def steps(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["training/steps"][()][list(LOSS_COLUMNS)]


def terms(path: Path) -> np.ndarray:
    """Return the terms of the loss of every step."""
    with h5py.File(path) as file:
        return np.sort(file["training/terms"][()][list(TERM_COLUMNS)], order=["stage", "step", "term"])


def test_checkpoint_reads_like_hugging_face(tmp_path: Path) -> None:
    assert train(2, tmp_path, "model").code == 0
    with h5py.File(tmp_path / "model.h5") as file:
        attributes = dict(file.attrs)
        hidden = attributes["hidden_size"]
        assert attributes["num_hidden_layers"] == 2
        assert attributes["rope_pairing"] == "half_split"
        assert bool(attributes["tie_word_embeddings"]) and bool(attributes["attention_bias"])
        assert attributes["rope_theta"] == 1024  # of the last stage
        assert str(attributes["tokenizer"]).startswith("word ")
        assert file["model.embed_tokens.weight"].shape == (attributes["vocab_size"], hidden)
        assert file["model.layers.1.mlp.down_proj.weight"].shape == (hidden, attributes["intermediate_size"])
        assert file["optimizer/second_moment/model.norm.weight"][()].min() > 0


FROM_WEIGHTS = """
[data]
haystack = "synthetic"
tokenizer = "weights"
[[stage]]
context_length = 48
rope_theta = 512
steps = 2
batch = 2
learning_rate = 1e-30
mesh = "1,1,1,-1"
"""


def test_a_training_starts_from_weights_with_their_model_and_tokenizer(tmp_path: Path) -> None:
    assert train(None, tmp_path, "start", "--stage-count", 1).code == 0
    start = tmp_path / "start.h5"
    folder = tmp_path / "folder"
    assert launch.run(None, "convert", "--checkpoint", start, "--output", folder).code == 0
    (tmp_path / "c.toml").write_text(FROM_WEIGHTS)
    flags: list[launch.Argument] = [
        "train", "--config", tmp_path / "c.toml", "--checkpoint", tmp_path / "m.h5", "--output", tmp_path / "r.h5",
    ]  # fmt: skip
    finished = launch.run(2, *flags, "--weights", start)
    assert finished.code == 0, str(finished)
    before, after = tensors(start), tensors(tmp_path / "m.h5")
    for name in (name for name in after if "." in name and "/" not in name):
        assert np.array_equal(after[name], before[name]), name  # no step is large enough to change a number
    with h5py.File(start) as first, h5py.File(tmp_path / "m.h5") as second:
        assert first.attrs["tokenizer"] == second.attrs["tokenizer"]

    def refused(toml: str, says: str, *more: launch.Argument) -> None:
        (tmp_path / "c.toml").write_text(toml)
        finished = launch.run(2, *flags, *more)
        assert finished.code == 2 and len(finished.errors) == 1 and says in finished.errors[0], str(finished)

    refused(FROM_WEIGHTS, "give --weights")
    refused(FROM_WEIGHTS, "--preset and --weights", "--weights", start, "--preset", "debug")
    refused(FROM_WEIGHTS, "holds no tokenizer", "--weights", folder)
    other = '[model]\npreset = "needle"\nlayers = 3\nvocab_size = 300\n'
    refused(other + FROM_WEIGHTS, "num_hidden_layers = 2", "--weights", start)


def test_a_vocabulary_in_parts_has_a_table_and_a_head_a_part(tmp_path: Path) -> None:
    model = 'preset = "needle"\nis_head_tied = false\nvocabulary = "text:400,vision:16"'
    text = QUICK.read_text().replace('preset = "needle"', model)
    (tmp_path / "parts.toml").write_text(text)
    command = ("train", "--config", tmp_path / "parts.toml", "--checkpoint", tmp_path / "m.h5", "--output",
               tmp_path / "r.h5")  # fmt: skip
    assert launch.run(2, *command, "--mesh", "1,1,2,1", "--stage-count", 1).code == 0
    with h5py.File(tmp_path / "m.h5") as file:
        assert (file.attrs["vocab_size"], file.attrs["vocabulary"]) == (416, "text:400,vision:16")
        shapes = {name: file[name].shape for name in file if "embed" in name or "head" in name}
    assert shapes == {"model.embed_tokens.weight": (400, 64), "model.embed_vision.weight": (16, 64),
                      "lm_head.weight": (400, 64), "vision_head.weight": (16, 64)}  # fmt: skip
    assert launch.run(None, *command, "--resume").code == 0
    (tmp_path / "parts.toml").write_text(text.replace("vision:16", "sound:16"))
    refused = launch.run(None, *command, "--resume")
    assert refused.code == 2 and "vocabulary = text:400,vision:16" in refused.errors[0], str(refused)
    (tmp_path / "parts.toml").write_text(text.replace("text:400", "text:4"))
    refused = launch.run(None, *command)
    assert refused.code == 2 and "vocab_size 4 is less than the tokenizer's" in refused.errors[0], str(refused)


@pytest.mark.parametrize("ranks", [None, 2])
def test_killed_and_resumed_is_the_same_run(tmp_path: Path, ranks: int | None) -> None:
    assert train(ranks, tmp_path, "whole").code == 0
    command = launch.command_line(
        ranks,
        ["train", "--config", QUICK, "--checkpoint", tmp_path / "killed.h5", "--output", tmp_path / "killed-run.h5",
         "--checkpoint-steps", 1],
    )  # fmt: skip
    for patience in (0.0, 0.02, 0.05):  # after a checkpoint, at any moment of the next ones
        with launch.started(command if patience == 0.0 else [*command, "--resume"], tmp_path) as process:
            before = written(tmp_path / "killed.h5")
            deadline = time.monotonic() + 30
            # A launcher whose ranks die before they have met may hang: let them write first.
            while written(tmp_path / "killed.h5") == before and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.002)
            time.sleep(patience)
            if ranks is None:
                process.kill()
            else:
                launch.kill_rank(process.pid, 0)
            process.wait(timeout=30)
        with h5py.File(tmp_path / "killed.h5") as file:  # whole at any moment
            assert file["model.norm.weight"].shape == (file.attrs["hidden_size"],)
    finished = train(ranks, tmp_path, "killed", "--resume")
    assert finished.code == 0, str(finished)
    assert list(tmp_path.glob("*.tmp-*")) == []
    expected, actual = tensors(tmp_path / "whole.h5"), tensors(tmp_path / "killed.h5")
    assert expected.keys() == actual.keys()
    for name, values in expected.items():
        assert np.array_equal(values, actual[name]), name
    whole, joined = steps(tmp_path / "whole-run.h5"), steps(tmp_path / "killed-run.h5")
    assert np.array_equal(np.sort(joined, order=["stage", "step"]), whole)
    assert np.array_equal(terms(tmp_path / "whole-run.h5"), terms(tmp_path / "killed-run.h5"))


def test_a_checkpoint_that_is_not_gone_on_from_is_kept(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_text("my diary")
    again = train(None, tmp_path, "model", "--stage-count", 1)
    assert again.code == 0 and f"{tmp_path / 'model.h5'} existed and is now {tmp_path / 'model.h5'}.1~" in again.stderr
    assert (tmp_path / "model.h5.1~").read_text() == "my diary"
    first = (tmp_path / "model.h5").read_bytes()
    assert train(None, tmp_path, "model", "--stage-count", 1, "--resume").code == 0
    assert not (tmp_path / "model.h5.2~").exists(), "a resumed run needs no other file"
    assert train(None, tmp_path, "model", "--stage-count", 1, "--seed", 2).code == 0
    assert (tmp_path / "model.h5.2~").read_bytes() == first


def test_the_terms_of_a_step_add_up_to_its_loss(tmp_path: Path) -> None:
    assert train(2, tmp_path, "model").code == 0
    taken, parts = steps(tmp_path / "model-run.h5"), terms(tmp_path / "model-run.h5")
    assert set(parts["term"]) == {b"answer", b"text"} and len(parts) == 2 * len(taken)
    assert np.array_equal(np.unique(parts["weight"]), [0.1, 1.0])
    for step in taken:
        own = parts[(parts["stage"] == step["stage"]) & (parts["step"] == step["step"])]
        assert step["loss"] == pytest.approx((own["weight"] * own["loss"]).sum(), rel=1e-6)
        assert (own["tokens"] > 0).all() and ((own["accuracy"] >= 0) & (own["accuracy"] <= 1)).all()


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration whose lengths are primes, and run it on one rank: alone.h5."""
    folder = tmp_path_factory.mktemp("uneven")
    text = QUICK.read_text()
    for old, new in (("length = 64", "length = 61"), ("length = 128", "length = 127"), ("steps = 20", "steps = 8"),
                     ("steps = 10", "steps = 4")):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (folder / "config.toml").write_text(text)
    finished = train_uneven(None, folder, folder / "alone")
    assert finished.code == 0, str(finished)
    return folder


def train_uneven(ranks: int | None, folder: Path, output: Path, *flags: launch.Argument) -> launch.Finished:
    return launch.run(
        ranks, "train", "--config", folder / "config.toml", "--checkpoint", output.with_suffix(".model.h5"),
        "--output", output.with_suffix(".h5"), *flags,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ranks", "mesh", "layout"),
    [
        (2, "1,1,1,2", "contiguous"),
        (3, "1,1,1,3", "striped"),
        (4, "1,1,1,4", "zigzag"),
        (4, "1,2,1,2", "contiguous"),
        (4, "1,1,2,2", "striped"),
    ],
)
def test_a_length_that_the_ring_does_not_divide_trains_as_on_one_rank(
    uneven: Path, tmp_path: Path, ranks: int, mesh: str, layout: str
) -> None:
    finished = train_uneven(ranks, uneven, tmp_path / "run", "--mesh", mesh, "--layout", layout)
    assert finished.code == 0, str(finished)
    expected, found = steps(uneven / "alone.h5"), steps(tmp_path / "run.h5")
    assert np.array_equal(found[["stage", "step"]], expected[["stage", "step"]])
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(found["grad_norm"], expected["grad_norm"], rtol=1e-4)
    with h5py.File(tmp_path / "run.h5") as file:
        stages = file["training/stages"][()]
    ring = int(mesh.split(",")[3])
    assert list(stages["tokens_per_rank"]) == [-(-61 // ring), -(-127 // ring)]
    assert list(stages["tokens"]) == [8 * 4 * 61, 4 * 4 * 127]


def test_dry_run_plans_for_the_rank_with_most_tokens(tmp_path: Path) -> None:
    flags = ("train", "--dry-run", "--preset", "needle", "--ranks", 3, "--batch", 1, "--layout", "striped")
    shown = {length: launch.run_successfully(None, *flags, "--context-length", length).stdout for length in (61, 63)}
    for text in shown.values():
        assert re.search(r"tokens per rank +21\b", text), text
    memory = {length: re.search(r"memory per rank +(.*)", text) for length, text in shown.items()}
    assert memory[61] and memory[63] and memory[61].group(1) == memory[63].group(1)


def test_dry_run_counts_the_7b_model() -> None:
    finished = launch.run_successfully(
        None, "train", "--dry-run", "--preset", "7b", "--context-length", "1M", "--mesh", "1,-1,16,4", "--ranks", 256,
        "--batch", 4, "--recomputation", "full",
    )  # fmt: skip
    assert re.search(r"parameters +6738415616\b", finished.stdout)
    assert "mesh 1,4,16,4" in finished.stdout
    # 3 times forward: 2 (N - V C) with N the parameters, and 4 H D (S + 1) / 2 of attention a layer, for 4M tokens.
    tokens = 4 * 2**20
    flop = 3 * tokens * (2 * (6738415616 - 32000 * 4096) + 32 * 4 * 4096 * (2**20 + 1) / 2)
    shown = re.search(r"FLOP per step \(causal\) +([0-9.e+]+)", finished.stdout)
    assert shown and float(shown.group(1)) == pytest.approx(flop, rel=1e-3)


def test_dry_run_refuses_what_does_not_fit() -> None:
    finished = launch.run(None, "train", "--config", LWM, "--dry-run", "--ranks", 256, "--memory-per-rank", "1G")
    assert finished.code == 2
    assert len(finished.errors) == 1
    assert re.search(r"stage 0: a rank needs [0-9.]+ GiB, most of it .* and --memory-per-rank is 1.00 GiB", finished.errors[0])


MISTAKES = [
    ("unknown_key", "contxt_length = 64", r"\[\[stage\]\] 0: key 'contxt_length' .*context_length"),
    ("no_theta", "context_length = 64", r"\[\[stage\]\] 0: rope_theta is missing"),
    ("mesh", 'mesh = "1,1,1,3"', r"stage 0: .*mesh.*3"),
    ("context", "context_length = -3", r"stage 0: context_length is -3; give 1 or more tokens"),
    ("batch", 'batch = 3\nmesh = "2,1,1,1"', r"stage 0: batch 3 does not divide by dp \* fsdp = 2"),
    ("needles", "context_length = 8", r"context length 8 is too short"),
    ("haystack", "context_length = 2000000", r"context length 2000000 needs \d+ tokens of haystack"),
    ("template", '[stage.data]\nkind = "needle"\ntemplate = "long2"', r"\[stage.data\]: .*long2.*long1"),
    ("kind", '[stage.data]\nkind = "nedle"', r"\[stage.data\]: .*nedle.*did you mean 'needle'"),
    ("task_key", '[stage.data]\nkind = "needle"\ntext_wieght = 1', r"\[stage.data\]: key 'text_wieght' .*text_weight"),
    ("task_of_text", '[stage.data]\nkind = "text"\ntext_share = 1', r"\[stage.data\]: key 'text_share'"),
    ("tokenizer", "", r"tokenizer|SentencePiece"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stage", "says"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_mistake_is_one_clear_line(tmp_path: Path, name: str, stage: str, says: str) -> None:
    values = {
        "context_length": "context_length = 64", "rope_theta": "rope_theta = 512", "steps": "steps = 2",
        "learning_rate": "learning_rate = 1e-3", "batch": "batch = 4",
    }  # fmt: skip
    if name == "no_theta":
        del values["rope_theta"]
    stage, _, data = stage.partition("[stage.data]\n")
    for line in filter(None, stage.split("\n")):
        key = line.split(" = ")[0]
        values.pop("context_length" if key == "contxt_length" else key, None)
        values[key] = line
    tokenizer = tmp_path / "not_one.model"
    tokenizer.write_text("word 3\nnot a tokenizer\n")
    chosen = str(tokenizer) if name == "tokenizer" else "word"
    (tmp_path / "config.toml").write_text(
        f'[model]\npreset = "needle"\n[data]\nhaystack = "synthetic"\ntokenizer = "{chosen}"\n[[stage]]\n'
        + "\n".join(values.values())
        + "\n[stage.data]\n"
        + (data or 'kind = "needle"\ntemplate = "short1"\n')
    )
    finished = launch.run(2, "train", "--config", tmp_path / "config.toml", "--checkpoint", tmp_path / "m.h5",
                          "--output", tmp_path / "r.h5", timeout=60)  # fmt: skip
    assert finished.code == 2, str(finished)
    assert len(finished.errors) == 1, str(finished)
    assert re.search(says, finished.errors[0], flags=re.IGNORECASE), finished.errors[0]
    assert not (tmp_path / "m.h5").exists()


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    assert train(None, tmp_path, "model", "--stage-count", 1).code == 0
    other = tmp_path / "other.toml"
    other.write_text(QUICK.read_text().replace('preset = "needle"', 'preset = "needle"\nffn_size = 128'))
    finished = launch.run(None, "train", "--config", other, "--checkpoint", tmp_path / "model.h5", "--output",
                          tmp_path / "r.h5", "--resume")  # fmt: skip
    assert finished.code == 2
    assert "intermediate_size = 192, the configuration says 128" in finished.errors[0]


def test_a_file_that_extends_another_adds_its_stages(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(QUICK.read_text())
    longer = tmp_path / "deeper" / "longer.toml"
    longer.parent.mkdir()
    longer.write_text(
        'extends = "../base.toml"\nstages = "longer"\n[[stage]]\ncontext_length = 256\nrope_theta = 2048\n'
        'steps = 2\nbatch = 2\nlearning_rate = 1e-3\n[stage.data]\nkind = "needle"\nkeys = 32\n'
    )
    finished = launch.run(None, "train", "--config", longer, "--checkpoint", tmp_path / "m.h5", "--output", tmp_path / "r.h5")
    assert finished.code == 0, str(finished)
    with h5py.File(tmp_path / "r.h5") as file:
        stages = file["training/stages"][()]
        configuration = file["provenance"].attrs["configuration"]
    assert list(stages["context_length"]) == [64, 128, 256]
    assert set(stages["stages"]) == {b"longer"}
    assert str(longer) in configuration and 'preset = "needle"' in configuration, "both files are recorded"


def test_files_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "circle.toml"
    config.write_text('extends = "circle.toml"\n')
    finished = launch.run(None, "train", "--config", config)
    assert finished.code == 2
    assert len(finished.errors) == 1
    assert "circle" in finished.errors[0] and "extends" in finished.errors[0]


def test_kokkos_trains_to_the_losses_of_the_host(tmp_path: Path) -> None:
    """The same model from the same seed: what differs is the order of sums in fp32."""
    for backend in ("host", "kokkos"):
        finished = train(2, tmp_path, backend, "--backend", backend)
        assert finished.code == 0, finished
    expected, actual = steps(tmp_path / "host-run.h5"), steps(tmp_path / "kokkos-run.h5")
    assert len(expected) == 30
    np.testing.assert_allclose(actual["loss"], expected["loss"], rtol=1e-5)
