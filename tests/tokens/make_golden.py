#!/usr/bin/env python3
"""Makes tests/tokens/golden: small tokenizers of several families, and the tokens that they give for a text.

usage: python -m venv V && V/bin/pip install tokenizers==0.22.1 tiktoken sentencepiece mistral-common
       V/bin/python tests/tokens/make_golden.py
"""

from __future__ import annotations

import base64
import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import sentencepiece

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


def byte_pieces(tokenizer: Tokenizer) -> list[bytes]:
    """Return the pieces of a byte-level tokenizer: bytes first, then what its merges make, each once."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    spelt = dict(zip(sorted(letters), range(256), strict=True))
    plain = [byte for byte in range(256) if chr(byte) in letters]
    for byte, letter in zip(plain, map(chr, plain), strict=True):
        spelt[letter] = byte
    others = [byte for byte in range(256) if byte not in plain]
    spelt.update({chr(256 + place): byte for place, byte in enumerate(others)})
    pieces = {bytes([byte]): None for byte in range(256)}
    for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
        pieces[bytes(spelt[letter] for letter in left + right)] = None
    return list(pieces)


def rank_files(tokenizer: Tokenizer) -> dict[str, dict[str, object]]:
    """Write ranks as tiktoken's file and as tekken.json, and return what their own programs give."""
    pieces = byte_pieces(tokenizer)
    lines = [f"{base64.b64encode(piece).decode()} {rank}\n" for rank, piece in enumerate(pieces)]
    (FOLDER / "ranks.tiktoken").write_text("".join(lines))
    ranks = {piece: rank for rank, piece in enumerate(pieces)}
    encoding = tiktoken.Encoding("golden", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens={})
    plain = encoding.encode_ordinary(SAMPLE)

    special = 20
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(piece).decode(), "token_str": None}
        for rank, piece in enumerate(pieces)
    ]
    config = {"pattern": LLAMA3, "num_vocab_tokens": len(pieces), "default_vocab_size": len(pieces) + special,
              "default_num_special_tokens": special, "version": "v3"}  # fmt: skip
    (FOLDER / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}, separators=(",", ":")) + "\n")
    tekken = Tekkenizer.from_file(FOLDER / "tekken.json")
    framed = tekken.encode("x", bos=True, eos=True)
    return {
        "ranks.tiktoken": {"vocab_size": len(pieces) + 256, "plain": plain, "bos": len(pieces), "eos": len(pieces) + 1},
        "tekken.json": {"vocab_size": tekken.n_words, "plain": tekken.encode(SAMPLE, bos=False, eos=False),
                        "bos": framed[0], "eos": framed[-1]},
    }  # fmt: skip


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_key(name: str, value: bool | int | str | list[str] | list[float] | list[int]) -> bytes:
    head = gguf_text(name)
    if isinstance(value, bool):
        return head + struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return head + struct.pack("<II", 4, value)
    if isinstance(value, str):
        return head + struct.pack("<I", 8) + gguf_text(value)
    if isinstance(value[0], str):
        return head + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(gguf_text(str(item)) for item in value)
    is_float = isinstance(value[0], float)
    return head + struct.pack(f"<IIQ{len(value)}{'f' if is_float else 'i'}", 9, 6 if is_float else 5, len(value), *value)


def write_gguf(name: str, keys: dict[str, bool | int | str | list[str] | list[float] | list[int]]) -> None:
    content = b"".join(gguf_key(f"tokenizer.ggml.{key}", value) for key, value in keys.items())
    (FOLDER / name).write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + content)


NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def gguf_files(tokenizer: Tokenizer) -> dict[str, dict[str, object]]:
    """Write a byte-level and a SentencePiece vocabulary as GGUF has them, and return what their own programs give."""
    file = json.loads(tokenizer.to_str())
    # GGUF has no word for white space that belongs to an added token.
    file["added_tokens"] = [
        {**token, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for token in file["added_tokens"]
    ]
    read = Tokenizer.from_str(json.dumps(file))
    pieces = [read.id_to_token(token) for token in range(read.get_vocab_size())]
    added = {token["id"] for token in file["added_tokens"]}
    write_gguf("smollm.gguf", {
        "model": "gpt2", "pre": "smollm", "tokens": pieces, "merges": [" ".join(pair) for pair in file["model"]["merges"]],
        "token_type": [CONTROL if token in added else NORMAL for token in range(len(pieces))], "bos_token_id": 1,
        "eos_token_id": 2, "add_bos_token": False,
    })  # fmt: skip
    markup = read.encode(SAMPLE, add_special_tokens=False).ids
    read.encode_special_tokens = True
    byte_level_files = {
        "smollm.gguf": {"vocab_size": len(pieces), "plain": read.encode(SAMPLE, add_special_tokens=False).ids,
                        "markup": markup, "bos": None, "eos": 2},
    }  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        lines = (ROOT / "LICENSE").read_text().split("\n") * 2
        text.write_text("\n".join([*lines, SAMPLE.replace("\0", " ")]))
        sentencepiece.SentencePieceTrainer.Train(
            input=str(text), model_prefix=f"{folder}/m", vocab_size=600, model_type="bpe", byte_fallback=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2,
        )  # fmt: skip
        spm = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/m.model")
    count = spm.get_piece_size()
    kinds = [
        UNKNOWN if spm.is_unknown(token) else CONTROL if spm.is_control(token) else BYTE if spm.is_byte(token) else NORMAL
        for token in range(count)
    ]
    write_gguf("sentencepiece.gguf", {
        "model": "llama", "tokens": [spm.id_to_piece(token) for token in range(count)],
        "scores": [float(spm.get_score(token)) for token in range(count)], "token_type": kinds, "bos_token_id": 1,
        "eos_token_id": 2,
    })  # fmt: skip
    return {
        **byte_level_files,
        "sentencepiece.gguf": {"vocab_size": count, "plain": spm.encode(SAMPLE), "bos": 1, "eos": 2,
                               "decoded": spm.decode(spm.encode(SAMPLE))},
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    texts = [SAMPLE] * 4 + [(ROOT / name).read_text() for name in ("README.md", "LICENSE", "src/tokens/word_tokenizer.cpp")]
    expected: dict[str, Any] = {"text": SAMPLE, "tokenizers": {}, "files": {}}
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
        if name == "llama3":
            expected["files"].update(rank_files(read))
        if name == "smollm":
            expected["files"].update(gguf_files(read))
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
