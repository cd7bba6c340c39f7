#!/usr/bin/env python3
"""Makes tests/tokens/golden: small tokenizers of several families, and the tokens that they give for a text.

usage: python -m venv V && V/bin/pip install tokenizers==0.22.1 && V/bin/python tests/tokens/make_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "golden"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

SAMPLE = (
    "In the beginning God created the heaven and the earth.\n\n  It's WE'LL they'RE 'tis can't\u2019ve  \t\n \r\n"
    "for (int i = 0; i < 1234567; ++i) {\n\tsum += a[i] * 3.14e-2;  // caf\u00e9 na\u00efve\n}\n"
    "\u4eca\u65e5\u306f\u3001\u4e16\u754c\uff01 \uc548\ub155\ud558\uc138\uc694 \u041f\u0440\u0438\u0432\u0435\u0442 "
    "\u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0663\u0664\u0665 \u216b \u00bd\u00b2\n"
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea e\u0301 o\u0308\u0323 \u1e9b\u0323 "
    "\u017f's \u00a0\u2003\u3000x\x0b\x0c\x85y\u2028z        eight\n\n\n\n"
    "<|im_start|>user\nhello <mask> there<|im_end|>  <s> </s>\u2581\u2581a \u2581 b \x00\x7f\ufffd\ufeff"
)


def bpe(**more: object) -> Tokenizer:
    return Tokenizer(models.BPE(**more))


def byte_level(pattern: str | None) -> pre_tokenizers.PreTokenizer:
    if pattern is None:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def build() -> dict[str, Tokenizer]:
    made = {}
    for name, steps in {
        "gpt2": byte_level(None),
        "llama3": byte_level(LLAMA3),
        "qwen2": byte_level(QWEN2),
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(None)]),
        "gpt2_prefix": pre_tokenizers.ByteLevel(add_prefix_space=True),
    }.items():
        made[name] = bpe(ignore_merges=name == "llama3")
        made[name].pre_tokenizer = steps
        made[name].decoder = decoders.ByteLevel()
    made["qwen2"].normalizer = normalizers.NFC()

    made["llama2"] = bpe(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    made["llama2"].normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made["llama2"].decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made["metaspace"] = bpe(fuse_unk=True, unk_token="<unk>")
    made["metaspace"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    made["metaspace"].decoder = decoders.Metaspace(prepend_scheme="first")
    made["metaspace"].normalizer = normalizers.NFKC()
    made["gemma"] = bpe(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    made["gemma"].normalizer = normalizers.Replace(" ", "\u2581")
    made["gemma"].pre_tokenizer = pre_tokenizers.Split("\u2581", behavior="merged_with_next")
    made["gemma"].decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback()])
    return made


def train(name: str, tokenizer: Tokenizer, texts: list[str]) -> None:
    specials = ["<unk>", "<s>", "</s>"]
    has_bytes = name in ("llama2", "gemma")
    if has_bytes:
        specials += [f"<0x{byte:02X}>" for byte in range(256)]
    alphabet = pre_tokenizers.ByteLevel.alphabet() if name not in ("llama2", "metaspace", "gemma") else []
    # Training on whole texts as one word would learn sentences: metaspaces split while it trains.
    kept = tokenizer.pre_tokenizer
    if name == "llama2":
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", behavior="merged_with_next")
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=900, special_tokens=specials, initial_alphabet=alphabet, limit_alphabet=300, show_progress=False
        ),
    )
    if name == "llama2":
        file = json.loads(tokenizer.to_str())
        file["pre_tokenizer"] = None
        # Byte pieces are of the model, not found in text.
        file["added_tokens"] = file["added_tokens"][:3]
        restored = Tokenizer.from_str(json.dumps(file))
    elif name == "gemma":
        file = json.loads(tokenizer.to_str())
        file["added_tokens"] = file["added_tokens"][:3]
        restored = Tokenizer.from_str(json.dumps(file))
    else:
        tokenizer.pre_tokenizer = kept if kept is not None else tokenizer.pre_tokenizer
        restored = tokenizer
    restored.add_special_tokens(["<|im_start|>", AddedToken("<|im_end|>", rstrip=True)])
    restored.add_tokens([AddedToken("<mask>", lstrip=True, normalized=name != "qwen2")])
    if name in ("llama2", "llama3", "metaspace"):
        restored.post_processor = processors.TemplateProcessing(
            single="<s> $A" if name != "metaspace" else "<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    (FOLDER / f"{name}.json").write_text(restored.to_str(), encoding="utf-8")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    texts = [SAMPLE] * 4 + [(ROOT / name).read_text() for name in ("README.md", "LICENSE", "src/tokens/word_tokenizer.cpp")]
    expected = {"text": SAMPLE, "tokenizers": {}}
    for name, tokenizer in build().items():
        train(name, tokenizer, texts)
        read = Tokenizer.from_file(str(FOLDER / f"{name}.json"))
        markup = read.encode(SAMPLE, add_special_tokens=False).ids
        framed = read.encode("x", add_special_tokens=True).ids
        read.encode_special_tokens = True
        plain = read.encode(SAMPLE, add_special_tokens=False).ids
        expected["tokenizers"][name] = {
            "vocab_size": read.get_vocab_size(),
            "plain": plain,
            "markup": markup,
            "framed_x": framed,
            "decoded": read.decode(plain, skip_special_tokens=False),
            "decoded_markup": read.decode(markup, skip_special_tokens=False),
        }
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
