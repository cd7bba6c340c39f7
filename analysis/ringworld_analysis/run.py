"""What a report is about: the rows of one or more files, told apart by a `file` column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ringworld_analysis.reading import Source, read_source
from ringworld_analysis.table import Column, Row, Table, concatenate

#: Keys that the figures of a sweep show, as axes, panels, lines and colours. They hold every other key constant.
SHOWN = ("context_length", "ranks", "layout", "pass", "backward_rotation")

#: Bytes of the `binding` column; text that fills it was cut.
_BINDING_WIDTH = 128

PASS_ORDER = ("forward", "backward", "forward_backward")
LAYOUT_ORDER = ("contiguous", "striped", "zigzag")


class Run:
    """The rows of all files, with two columns added.

    `file` is the label of the file a row came from where the files measured the same points, else empty (one sweep
    spread over several files); `pass_label` is `pass`, with the rotation where the run has both.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        """Join the sources; rows keep their order."""
        self.sources = tuple(sources)
        self._offsets = np.cumsum([0] + [len(source.attention) for source in sources]).tolist()
        sweeps = [source.attention for source in sources if len(source.attention)]
        joined = concatenate(sweeps or [sources[0].attention])
        origin = np.repeat(np.arange(len(sources)), [len(source.attention) for source in sources])
        labels = np.array([source.label for source in sources])
        shown = labels[origin] if _share_points(joined, origin) else np.full(len(joined), "", dtype=labels.dtype)
        self.attention = (
            joined.with_column("source", origin)
            .with_column("file", shown)
            .with_column("pass_label", self._pass_labels(joined))
        )

    @cached_property
    def point(self) -> tuple[str, ...]:
        """Columns that together name one point of the sweep."""
        return ("file", *self.attention.keys)

    @cached_property
    def configuration(self) -> tuple[str, ...]:
        """Columns that a figure of the sweep holds constant: all that name a point and are not shown in it."""
        return tuple(name for name in self.point if name not in SHOWN)

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Columns that open every CSV file of a sweep."""
        return (*self.configuration, "backward_rotation", "layout", "pass", "ranks", "context_length",
                "tokens_per_rank")  # fmt: skip

    @cached_property
    def plotted_index(self) -> Column:
        """Places of the rows that figures may use: valid ones, the last of each point."""
        return self.attention.last_valid(self.point)

    @cached_property
    def plotted(self) -> Table:
        """Rows that figures may use."""
        return self.attention.take(self.plotted_index)

    @cached_property
    def repeated_points(self) -> int:
        """Valid rows that figures leave out because a later row measured the same point."""
        return int(np.count_nonzero(self.attention["valid"])) - len(self.plotted)

    @cached_property
    def invalid(self) -> Table:
        """Rows that are listed, never plotted."""
        return self.attention.take(~self.attention["valid"].astype(bool))

    @cached_property
    def simulated(self) -> Table:
        """Rows whose kernels computed nothing; none in a record from before there were any."""
        if "simulated" not in self.attention:
            return self.attention.take(np.zeros(len(self.attention), dtype=bool))
        return self.attention.take(self.attention["simulated"].astype(bool))

    def table(self, name: str) -> Table | None:
        """Return a table of all files that have it; `attention_row` counts through all files."""
        found = []
        for index, source in enumerate(self.sources):
            table = source.table(name)
            if table is None:
                continue
            if "attention_row" in table:
                shifted = table["attention_row"] + self._offsets[index]
                table = table.with_column("attention_row", shifted, meaning=table.meanings.get("attention_row", ""))
            found.append(table)
        return concatenate(found) if found else None

    @cached_property
    def has_other_tables(self) -> bool:
        """Whether a file was written by another verb than `attention`."""
        return len(self.other_tables) > 0

    @cached_property
    def other_tables(self) -> tuple[str, ...]:
        """Names of the tables of other verbs, in the order of the files."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.other_tables))

    def records(self, name: str) -> Table | None:
        """Return a table of another verb from all files that have it, with the label of each row's file."""
        found = []
        for source in self.sources:
            table = source.table(name)
            if table is not None:
                found.append(table.with_column("file", np.full(len(table), source.label)))
        return concatenate(found) if found else None

    @cached_property
    def layouts(self) -> list[str]:
        """Layouts in the order of the documentation, then any others."""
        return ordered(self.plotted.distinct("layout"), LAYOUT_ORDER)

    @cached_property
    def pass_labels(self) -> list[str]:
        """Passes in the order forward, backward, both."""
        return ordered(self.plotted.distinct("pass_label"), PASS_ORDER)

    @cached_property
    def ring_sizes(self) -> list[int]:
        """Ring sizes of the plotted rows."""
        return [int(size) for size in self.plotted.distinct("ranks")]

    @cached_property
    def context_lengths(self) -> list[int]:
        """Context lengths of the plotted rows."""
        return [int(length) for length in self.plotted.distinct("context_length")]

    def describe(self, row: Row, names: Sequence[str] | None = None, among: Table | None = None) -> str:
        """Say what sets a row's configuration apart from the others of the run; empty when nothing does.

        :param names: columns to speak of; all of the configuration by default
        :param among: the table that the row is from, where it has columns that the sweep does not have
        """
        wanted = self.configuration if names is None else names
        varying = {*self._varying, *(among.varying([n for n in wanted if n not in self.point]) if among else ())}
        return describe(row, [n for n in wanted if n in varying and (n != "wire_dtype" or self._has_chosen_wire)])

    @cached_property
    def _varying(self) -> frozenset[str]:
        return frozenset(self.attention.varying(self.point))

    @cached_property
    def _has_chosen_wire(self) -> bool:
        """Whether the wire dtype says more than the dtype does."""
        pairs = set(zip(self.attention["dtype"].tolist(), self.attention["wire_dtype"].tolist()))
        return len(pairs) > len({dtype for dtype, _ in pairs}) or any(dtype != wire for dtype, wire in pairs)

    @cached_property
    def is_oversubscribed(self) -> dict[int, bool | None]:
        """By ring size: whether it ran more ranks than cores on any source; None where the files do not say."""
        cores = [available_cores(source) for source in self.sources]
        answer: dict[int, bool | None] = {}
        for size in (int(value) for value in self.attention.distinct("ranks")):
            known = [
                size > of_source[min(size, len(of_source)) - 1]
                for index, of_source in enumerate(cores)
                if of_source and np.any((self.attention["source"] == index) & (self.attention["ranks"] == size))
            ]
            answer[size] = any(known) if known else None
        return answer

    @staticmethod
    def _pass_labels(table: Table) -> np.ndarray[Any, np.dtype[np.str_]]:
        labels = table["pass"].astype(np.str_)
        for name in set(labels.tolist()) - {"forward"}:
            of_pass = labels == name
            if len(np.unique(table["backward_rotation"][of_pass])) > 1:
                rotations = table["backward_rotation"].tolist()
                labels = np.array(
                    [f"{label}, {way} travels" if hit else label for label, way, hit in zip(labels, rotations, of_pass)]
                )
        return labels


def describe(row: Row, names: Sequence[str]) -> str:
    """Say the values of the named columns in words: 'host, threads 2, polling off'."""
    return ", ".join(_say(name, row[name]) for name in names)


def _share_points(joined: Table, origin: np.ndarray[Any, np.dtype[np.intp]]) -> bool:
    """Tell whether rows of two files are about the same point."""
    first: dict[tuple[Any, ...], int] = {}
    return any(
        first.setdefault(point, source) != source for point, source in zip(joined.points(joined.keys), origin.tolist())
    )


def load(paths: Sequence[Path]) -> Run:
    """Read the files of a report; labels are file names, made unique by their folder where need be."""
    names = [path.name for path in paths]
    labels = [path.name if names.count(path.name) == 1 else str(path) for path in paths]
    return Run([read_source(path, label, needs_attention=False) for path, label in zip(paths, labels)])


def ordered(found: Sequence[str], first: Sequence[str]) -> list[str]:
    """Sort names: by the known one they begin with, then alphabetically."""

    def rank(name: str) -> tuple[int, str]:
        known = name.split(",")[0]
        return (first.index(known) if known in first else len(first), name)

    return sorted(found, key=rank)


def available_cores(source: Source) -> list[int]:
    """Return, for ring sizes 1, 2, ..., the cores that the first so many ranks may run on; empty when unknown.

    Read from the `binding` column of /provenance/ranks: the union of the ranks' CPU lists, host by host. Ranks that a
    launcher left unbound list every core of the host, so the union is right for them too. Ranks that compute on an
    accelerator are not limited by cores: unknown. Of a resumed record, the run with most ranks counts.
    """
    ranks = source.provenance.find_table("ranks") if source.provenance else None
    if ranks is None or not len(ranks) or "binding" not in ranks:
        return []
    if "run" in ranks:
        _most, ranks = max(((len(of_run), of_run) for _, of_run in ranks.groups(["run"])), key=lambda pair: pair[0])
    if "device" in ranks and not set(ranks["device"].tolist()) <= {"", "host"}:
        return []
    lists = [parse_cpu_list(str(text)) for text in ranks["binding"].tolist()]
    if any(cpus is None for cpus in lists):
        return []
    hosts = ranks["host"].tolist() if "host" in ranks else ["" for _ in lists]
    whole: dict[str, set[int]] = {}
    for host, cpus in zip(hosts, lists):
        whole.setdefault(host, set()).update(cpus or ())
    return [sum(len(whole[host]) for host in set(hosts[: count + 1])) for count in range(len(hosts))]


def parse_cpu_list(text: str) -> set[int] | None:
    """Read '0-3,8' or a hexadecimal mask '0x0f'; None for anything else, or for a list that filled its column.

    >>> sorted(parse_cpu_list("0-2,8") or ())
    [0, 1, 2, 8]
    """
    text = text.strip()
    if len(text) >= _BINDING_WIDTH - 1:
        return None
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        mask = int(text, 16)
        return {bit for bit in range(mask.bit_length()) if mask >> bit & 1} or None
    if not re.fullmatch(r"\d+(-\d+)?([, ]+\d+(-\d+)?)*", text):
        return None
    cpus: set[int] = set()
    for part in re.split(r"[, ]+", text):
        low, _, high = part.partition("-")
        cpus.update(range(int(low), int(high or low) + 1))
    return cpus


def _say(name: str, value: object) -> str:
    if isinstance(value, bool):
        return {"causal": ("not causal", "causal"), "polling": ("polling off", "polling on")}.get(
            name, (f"{name} off", f"{name} on")
        )[value]
    if value == "" or value != value:
        return f"no {name}"
    if name in ("file", "backend", "dtype", "layout"):
        return str(value)
    if name == "wire_dtype":
        return f"{value} on the wire"
    if name.endswith("_digest"):
        return f"{name.removesuffix('_digest')} {str(value)[:8]}"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
