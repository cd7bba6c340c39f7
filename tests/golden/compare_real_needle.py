#!/usr/bin/env python3
"""Asks transformers what `ringworld needle --decoding open --transcript FILE` asked, and compares the answers.

    ringworld needle --checkpoint MODEL.gguf --chat auto --decoding open --context-length 512 --transcript asked.jsonl
    python tests/golden/compare_real_needle.py --weights MODEL.gguf asked.jsonl

Transformers reads the very tokens of each line and takes the likeliest token as often as the answer has tokens. So a
needle that both miss is missed by the model and not by either program. Needs torch, transformers, accelerate, gguf. Exit
code 1 when an answer differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer

from compare_real_model import read_model


def main() -> int:
    """Ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("transcript", type=Path, help="lines of --transcript")
    parser.add_argument("--weights", type=Path, required=True, help="the GGUF file that was asked")
    parser.add_argument("--answer-tokens", type=int, default=20, help="most tokens of an answer (default 20)")
    arguments = parser.parse_args()
    model = read_model(arguments.weights)
    tokenizer = AutoTokenizer.from_pretrained(arguments.weights.parent, gguf_file=arguments.weights.name)
    same = right = both = 0
    lines = [json.loads(line) for line in arguments.transcript.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        ids = torch.tensor([line["tokens"]])
        with torch.inference_mode():
            new = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                                 max_new_tokens=arguments.answer_tokens, pad_token_id=0)[0, ids.shape[1] :]  # fmt: skip
        answer = tokenizer.decode(new, skip_special_tokens=True)
        hits = sum(text.lower() in answer.lower() for text in line["expected"])
        # An answer of ours ends as soon as it holds what was wanted.
        is_same = answer.startswith(line["answer"])
        same, right, both = same + is_same, right + (hits > 0), both + ((hits > 0) == (line["hits"] > 0))
        print(f"{line['cell']}, trial {line['trial']}: expected {line['expected']}")
        print(f"  ringworld     {line['hits']}: {line['answer']!r}\n  transformers  {hits}: {answer!r}", flush=True)
    print(f"{same} of {len(lines)} answers are the same, {both} of {len(lines)} judged alike, {right} right")
    return 0 if same == len(lines) else 1


if __name__ == "__main__":
    sys.exit(main())
