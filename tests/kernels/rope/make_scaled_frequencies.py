#!/usr/bin/env python3
"""Writes scaled_frequencies.json: what transformers makes of RoPE's frequencies, for each way of scaling them.

    pip install torch transformers && tests/kernels/rope/make_scaled_frequencies.py
"""

import json
from pathlib import Path

import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HEAD_SIZE = 32
NATIVE = 8192
POSITIONS = [0, 1, NATIVE - 1, NATIVE, 3 * NATIVE + 1, 32 * NATIVE - 1]
PAIRS = [1 + 0.5 * pair for pair in range(HEAD_SIZE // 2)]
CASES: dict[str, list[dict]] = {
    "linear": [{"factor": 4.0}, {"factor": 1.5}],
    "llama3": [
        {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
        {"factor": 32.0, "low_freq_factor": 2.0, "high_freq_factor": 3.0},
    ],
    "yarn": [
        {"factor": 4.0},
        {"factor": 32.0, "beta_fast": 16.0, "beta_slow": 2.0},
        {"factor": 16.0, "attention_factor": 1.25},
    ],
    "dynamic": [{"factor": 1.0}, {"factor": 3.0}],
    "longrope": [{"factor": 1.0, "attention_factor": 1.0, **dict.fromkeys(("short_factor", "long_factor"), PAIRS)}],
}


def case(kind: str, numbers: dict, theta: float) -> dict:
    parameters = {"rope_type": kind, "rope_theta": theta, **numbers}
    if kind not in ("linear", "dynamic"):
        parameters["original_max_position_embeddings"] = NATIVE
    config = LlamaConfig(
        hidden_size=4 * HEAD_SIZE,
        num_attention_heads=4,
        max_position_embeddings=NATIVE if kind == "dynamic" else int(NATIVE * numbers["factor"]),
        rope_parameters=parameters,
    )
    frequencies, growth = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=POSITIONS[-1] + 1)
    angles = torch.tensor(POSITIONS, dtype=torch.float32)[:, None] * frequencies[None, :].float()
    return {
        **parameters,
        "head_size": HEAD_SIZE,
        "frequencies": frequencies.double().tolist(),
        "positions": POSITIONS,
        "cosine": (angles.double().cos() * growth).tolist(),
        "sine": (angles.double().sin() * growth).tolist(),
    }


def main() -> None:
    cases = [
        case(kind, numbers, theta) for kind, some in CASES.items() for numbers in some for theta in (10000.0, 5.0e6)
    ]
    target = Path(__file__).with_name("scaled_frequencies.json")
    rounded = json.loads(json.dumps(cases), parse_float=lambda text: float(f"{float(text):.9g}"))
    target.write_text("[\n" + ",\n".join(json.dumps(one) for one in rounded) + "\n]\n")


if __name__ == "__main__":
    main()
