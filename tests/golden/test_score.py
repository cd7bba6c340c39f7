"""`ringworld score` against PyTorch in float64: the files that make_llama_golden.py made."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import launch

HERE = Path(__file__).resolve().parent
CASES = ("llama_multi_head_interleaved", "llama_grouped_bias_documents", "llama_tied_half_split")
# fp32 against fp64: sums of some tens of terms, each rounded at 6e-8, through two layers.
NORMALISED_RMS = 1e-5


def normalised_rms(actual: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the error over that of the expected values."""
    error = actual.astype(np.float64) - expected.astype(np.float64)
    return float(np.sqrt(np.mean(error**2)) / np.sqrt(np.mean(expected.astype(np.float64) ** 2)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("ranks", "mesh", "layout"), [(1, "1,1,1,1", "zigzag"), (3, "1,1,1,3", "zigzag"),
                                                       (4, "1,1,1,4", "striped"), (2, "1,1,1,2", "contiguous")])
def test_logits_nll_and_gradients_are_pytorchs(case: str, ranks: int, mesh: str, layout: str, tmp_path: Path) -> None:
    golden, output = HERE / f"{case}.h5", tmp_path / "out.h5"
    launch.run_successfully(ranks, "score", "--checkpoint", golden, "--input", golden, "--output", output, "--mesh", mesh,
                            "--layout", layout, "--gradients", "true", "--logits", "true")
    with h5py.File(golden) as expected_file, h5py.File(output) as actual:
        expected = expected_file["expected"]
        errors = {name: normalised_rms(actual[name][()], expected[name][()]) for name in ("logits", "nll")}
        for name, gradient in expected["gradients"].items():
            errors[name] = normalised_rms(actual["gradients"][name][()], gradient[()])
        assert set(actual["gradients"]) == set(expected["gradients"])
    wrong = {name: error for name, error in errors.items() if not error <= NORMALISED_RMS}
    assert not wrong
