"""`ringworld score` against a float64 NumPy model; gradients against its central differences along random directions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import launch
import llama_oracle
from llama_oracle import Config

TOLERANCE = 1e-5  # normalised RMS in float32


@dataclass(frozen=True)
class Case:
    """One run of the program."""

    config: Config = field(default_factory=Config)
    ranks: int | None = None
    mesh: str = "1,1,1,-1"
    layout: str = "zigzag"
    has_segments: bool = False
    has_mask: bool = False
    seed: int = 11
    batch: int = 4
    length: int = 24

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Return the datasets of the input file."""
        rng = np.random.default_rng(self.seed)
        made: dict[str, NDArray[Any]] = {
            "tokens": rng.integers(0, self.config.vocab_size, (self.batch, self.length), dtype=np.int32)
        }
        if self.has_segments:
            made["segment_ids"] = np.sort(rng.integers(0, 3, (self.batch, self.length), dtype=np.int32), axis=1)
        if self.has_mask:
            made["loss_mask"] = rng.integers(0, 2, (self.batch, self.length)).astype(np.float32)
        return made


ALL_EXTRAS = Config(attention_bias=True, tie_word_embeddings=True, rope_pairing="interleaved")
CASES = [
    Case(),
    Case(config=ALL_EXTRAS, has_segments=True, has_mask=True),
    Case(config=replace(ALL_EXTRAS, tie_word_embeddings=False), ranks=3, has_mask=True),
    Case(config=ALL_EXTRAS, ranks=4, mesh="1,1,2,2", has_segments=True),
    Case(ranks=4, mesh="2,2,1,1", has_segments=True, has_mask=True),
    Case(config=Config(num_key_value_heads=4), ranks=4, mesh="1,1,4,1"),
    # Lengths that the ring does not divide, fewer tokens than ranks, sequences that groups of ranks do not divide.
    Case(config=ALL_EXTRAS, ranks=2, length=23, layout="contiguous", has_mask=True),
    Case(config=ALL_EXTRAS, ranks=3, length=25, layout="striped", has_segments=True),
    Case(ranks=4, length=29, has_segments=True, has_mask=True),
    Case(config=ALL_EXTRAS, ranks=4, length=3, layout="zigzag"),
    Case(config=ALL_EXTRAS, ranks=4, mesh="1,1,2,2", length=19, batch=3),
    Case(ranks=3, mesh="3,1,1,1", length=11),
    Case(config=ALL_EXTRAS, ranks=4, mesh="1,2,1,2", length=13, batch=3, layout="striped", has_mask=True),
    # Vocabularies in parts, one of which may be nobody's target on a rank.
    Case(config=Config(vocabulary="text:26,vision:11"), has_segments=True),
    Case(config=Config(vocabulary="text:26,vision:11"), ranks=2, mesh="1,1,2,1", has_mask=True),
    Case(config=replace(ALL_EXTRAS, vocabulary="text:30,vision:4,sound:3"), ranks=3, length=11, layout="striped"),
    Case(config=replace(ALL_EXTRAS, vocabulary="text:26,vision:11"), ranks=4, mesh="1,1,2,2", length=23, has_mask=True),
]


def write(path: Path, datasets: dict[str, NDArray[Any]], attributes: dict[str, Any] | None = None) -> Path:
    """Write an HDF5 file."""
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
        file.attrs.update(attributes or {})
    return path


def normalised_rms(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the root of the summed squares of the difference over that of the expected values."""
    assert actual.shape == expected.shape
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def write_inputs(case: Case, folder: Path) -> tuple[list[Any], dict[str, NDArray[np.float64]]]:
    """Write checkpoint and input; return the flags that name them, and the parameters."""
    parameters = llama_oracle.draw_parameters(case.config, case.seed)
    checkpoint = write(
        folder / "checkpoint.h5",
        {name: values.astype(np.float32) for name, values in parameters.items()},
        case.config.attributes(),
    )
    tokens = write(folder / "input.h5", case.inputs())
    return ["--checkpoint", checkpoint, "--input", tokens, "--output", folder / "output.h5"], parameters


@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses_logits_and_gradients_are_the_oracles(case: Case, tmp_path: Path) -> None:
    """Losses, logits, and the gradient of every parameter along random directions."""
    flags, parameters = write_inputs(case, tmp_path)
    run = launch.run(
        case.ranks, "score", *flags, "--mesh", case.mesh, "--layout", case.layout, "--gradients", "--logits"
    )
    assert run.code == 0, run
    inputs = case.inputs()
    tokens, segments = inputs["tokens"], inputs.get("segment_ids")
    mask = inputs.get("loss_mask", np.ones_like(tokens, dtype=np.float32))[:, 1:]

    def mean_nll(values: dict[str, NDArray[np.float64]]) -> float:
        nll = llama_oracle.nll(case.config, llama_oracle.logits(case.config, values, tokens, segments), tokens)
        return float((nll * mask).sum() / mask.sum())

    expected = llama_oracle.logits(case.config, parameters, tokens, segments)
    with h5py.File(tmp_path / "output.h5") as output:
        assert normalised_rms(output["logits"][()], expected) <= TOLERANCE
        assert normalised_rms(output["nll"][()], llama_oracle.nll(case.config, expected, tokens)) <= TOLERANCE
        gradients = {name: output["gradients"][name][()].astype(np.float64) for name in output["gradients"]}
    assert gradients.keys() == parameters.keys()
    rng = np.random.default_rng(3)
    for name, gradient in gradients.items():
        # Along the gradient itself the derivative is its norm; a random direction catches what lies across.
        for direction in (gradient / np.linalg.norm(gradient), rng.standard_normal(gradient.shape)):
            step = 1e-4 / np.linalg.norm(direction)
            moved = [mean_nll({**parameters, name: parameters[name] + sign * step * direction}) for sign in (1, -1)]
            derivative = (moved[0] - moved[1]) / (2 * step)
            size = np.linalg.norm(gradient) * np.linalg.norm(direction)
            assert abs(derivative - float((gradient * direction).sum())) <= TOLERANCE * size, name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_attention_heads": 3}, ["3 heads"]),
        ({"rope_pairing": "half-split"}, ["rope_pairing", "half_split"]),
        ({"hidden_size": 41}, ["embed_tokens.weight", "(37, 40)", "(37, 41)"]),
        ({"vocab_size": "many"}, ["vocab_size", "integer"]),
        ({"vocabulary": "text:30,vision:8"}, ["vocabulary", "38", "vocab_size is 37"]),
        ({"vocabulary": "text:37,vision"}, ["vocabulary", "'' is no number"]),
        ({"vocabulary": "text:30,vision:7"}, ["embed_tokens.weight", "(37, 40)", "(30, 40)"]),
        ({"rope_theta": None}, ["rope_theta", "no attribute"]),
    ],
    ids=lambda value: str(value),
)
def test_a_checkpoint_that_contradicts_itself_is_refused(
    change: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    """One clear line, exit code 2."""
    flags, _ = write_inputs(Case(), tmp_path)
    with h5py.File(tmp_path / "checkpoint.h5", "a") as file:
        for name, value in change.items():
            file.attrs.pop(name, None)
            if value is not None:
                file.attrs[name] = value
    run = launch.run(2, "score", *flags)
    assert run.code == 2, run
    assert len(run.errors) == 1, run
    assert all(word in run.errors[0] for word in words), run


def test_a_mesh_of_other_ranks_is_refused(tmp_path: Path) -> None:
    """One clear line, exit code 2."""
    flags, _ = write_inputs(Case(), tmp_path)
    run = launch.run(2, "score", *flags, "--mesh", "1,1,1,4")
    assert run.code == 2, run
    assert len(run.errors) == 1, run
    assert "mesh" in run.errors[0], run
