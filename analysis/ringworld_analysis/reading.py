"""From HDF5 to tables and provenance trees. Only this module and `journal` know h5py."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from ringworld_analysis import roles
from ringworld_analysis.errors import InputError
from ringworld_analysis.journal import open_record
from ringworld_analysis.table import Column, Table, concatenate

_Value = TypeVar("_Value")

ATTENTION = "/attention"
SAMPLES = "/samples"
PROVENANCE = "/provenance"

#: One row a hop of a rank. Records hold it so until 0.1; now as arrays of a point, which `_read_hops` unfolds.
HOPS, PROBES = "/overlap/hops", "/overlap/points"
HOP_FIGURES = ("t_compute", "t_comm", "t_both", "bytes")

#: Tables of `ringworld train` and `ringworld needle`.
STEPS, TERMS, STAGES = "/training/steps", "/training/terms", "/training/stages"
CELLS, PERPLEXITY = "/needle/cells", "/needle/perplexity"
#: Tables of `ringworld evaluate`, and the bytes of the pixels of its examples.
MEASURES, VIDEO_NEEDLES = "/evaluation/measures", "/evaluation/needles"
HELD_OUT_TEXT, ROUND_TRIP, EXAMPLES = "/evaluation/text", "/evaluation/round_trip", "/evaluation/examples"
EXAMPLE_FRAMES = "/evaluation/frames"
EVALUATION_TABLES = (MEASURES, VIDEO_NEEDLES, HELD_OUT_TEXT, ROUND_TRIP, EXAMPLES)
#: The table of `ringworld train --backend simulated`: steps whose time is simulated.
SIMULATED_STEPS = "/training/simulated"
#: The table of `ringworld info --links`.
LINKS = "/links"
#: Tables of `ringworld train` with a VQGAN.
VQGAN_STEPS, VQGAN_HELD_OUT = "/vqgan/steps", "/vqgan/evaluation"
#: Tables of other verbs than `attention` that a section of the report draws. Rows of any other are shown as they are.
DRAWN_TABLES = (STEPS, TERMS, STAGES, CELLS, PERPLEXITY, *EVALUATION_TABLES, LINKS, SIMULATED_STEPS, VQGAN_STEPS,
                VQGAN_HELD_OUT)  # fmt: skip

#: Columns of /attention without which there is nothing to report.
REQUIRED_ATTENTION_COLUMNS = (
    "context_length", "tokens_per_rank", "ranks", "layout", "backend", "dtype", "wire_dtype", "heads", "kv_heads",
    "head_size", "batch", "causal", "pass", "backward_rotation", "polling", "step_time", "step_time_min",
    "step_time_max", "flops_per_second_per_rank", "mfu_measured_peak", "tokens_per_second",
    "layout_efficiency_bound", "hops", "wire_bytes", "wire_bytes_model", "peak_bytes", "peak_bytes_model",
    "peak_resident_bytes", "error", "error_tolerance", "valid", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One group of the provenance: whatever the file holds, in file order."""

    values: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    children: Mapping[str, Node] = field(default_factory=dict)

    def find(self, *names: str) -> str | None:
        """Return the first value, here or below, whose name is one of those given; earlier names win."""
        for name in names:
            if name in self.values:
                return self.values[name]
            for child in self.children.values():
                found = child.find(name)
                if found is not None:
                    return found
        return None

    def find_table(self, name: str) -> Table | None:
        """Return the first table of that name, here or below."""
        if name in self.tables:
            return self.tables[name]
        for child in self.children.values():
            found = child.find_table(name)
            if found is not None:
                return found
        return None


@dataclass(frozen=True)
class Source:
    """One opened file: its name, its sweep and where it came from."""

    path: Path
    label: str
    attention: Table
    provenance: Node | None
    has_roles: bool = True
    """Whether the tables say what their columns are for; else the keys are those of the old format."""
    other_tables: tuple[str, ...] = ()
    """Names of the tables of other verbs than `attention`."""

    def table(self, name: str) -> Table | None:
        """Return another table of the file, or None where the file has none of that name."""
        with _open(self.path) as file:
            return _read_hops(file, self.path) if name == HOPS else _read_table(file, name, self.path)

    def numbers(self, name: str) -> Column | None:
        """Return an array of numbers of the file, or None where the file has none of that name."""
        with _open(self.path) as file:
            dataset = file.get(name)
            if not isinstance(dataset, h5py.Dataset) or dataset.dtype.names is not None:
                return None
            try:
                found: Column = dataset[()]
            except (OSError, RuntimeError) as problem:
                raise InputError(f"{self.path}: {name} cannot be read ({_first_line(problem)})") from problem
            return found


def read_source(path: Path, label: str | None = None, *, needs_attention: bool = True) -> Source:
    """Read /attention and /provenance of a file.

    Unless /attention is needed, a file that has another verb's table in its place has no rows of it.

    :raises InputError: when the file is missing, not HDF5, cut off, or lacks /attention or columns of it.
    """
    with _open(path) as file:
        try:
            attention = _read_table(file, ATTENTION, path)
            other_tables = _other_tables(file)
            if attention is None and not needs_attention:
                if not other_tables:
                    raise InputError(f"{path}: no table with rows; is it a record of ringworld?")
                attention = _no_attention()
            if attention is None:
                raise InputError(f"{path}: no table {ATTENTION}; is it a record of 'ringworld attention'?")
            provenance = _read_node(file[PROVENANCE]) if isinstance(file.get(PROVENANCE), h5py.Group) else None
            has_roles = all("roles" in file[name].attrs for name in (ATTENTION, *other_tables) if name in file)
        except (OSError, RuntimeError, KeyError) as problem:
            raise InputError(f"{path}: damaged HDF5 file ({_first_line(problem)})") from problem
    missing = [name for name in REQUIRED_ATTENTION_COLUMNS if name not in attention]
    if missing:
        raise InputError(f"{path}: {ATTENTION} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    return Source(path, label or path.name, attention, provenance, has_roles, other_tables)


def _other_tables(file: h5py.File) -> tuple[str, ...]:
    """Return the tables of a record, without those of `attention` and of the provenance.

    They tell roles of columns, or are of the time before there were roles.
    """
    found: list[str] = []

    def look(name: str, item: object) -> None:
        path = f"/{name}"
        is_apart = path in (ATTENTION, SAMPLES, HOPS, PROBES) or path.startswith(f"{PROVENANCE}/")
        if is_apart or not isinstance(item, h5py.Dataset) or item.dtype.names is None or item.ndim != 1:
            return
        if "roles" in item.attrs or path in roles.KEYS_BEFORE_ROLES:
            found.append(path)

    file.visititems(look)
    return tuple(found)


def _no_attention() -> Table:
    """Return the table of a record without /attention: every column, no rows."""
    kinds = {"layout": "U1", "backend": "U1", "dtype": "U1", "wire_dtype": "U1", "pass": "U1",
             "backward_rotation": "U1", "reason": "U1", "valid": "?", "causal": "?", "polling": "?"}  # fmt: skip
    columns = {name: np.empty(0, dtype=kinds.get(name, "f8")) for name in REQUIRED_ATTENTION_COLUMNS}
    return Table(columns, roles=roles.before_roles(ATTENTION, columns))


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not an HDF5 file")
    try:
        return open_record(path)
    except OSError as problem:
        kind = "cannot be opened" if h5py.is_hdf5(path) else "not an HDF5 file"
        raise InputError(f"{path}: {kind} ({_first_line(problem)})") from problem


def _first_line(problem: Exception) -> str:
    return (str(problem).strip("'\"").splitlines() or [type(problem).__name__])[0]


def _read_table(file: h5py.File, name: str, path: Path) -> Table | None:
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.names is None or dataset.ndim != 1:
        return None
    try:
        table = _to_table(dataset)
    except (OSError, RuntimeError, ValueError) as problem:
        raise InputError(f"{path}: {name} cannot be read ({_first_line(problem)})") from problem
    if "roles" in dataset.attrs and not table.keys:
        raise InputError(
            f"{path}: {name}: the attribute 'roles' marks no column as '{roles.KEY}', or does not have one role for "
            f"each of the {len(table.names)} columns"
        )
    return table


def _read_hops(file: h5py.File, path: Path) -> Table | None:
    """Read the overlap probes as one row a hop of a rank."""
    rows = _read_table(file, HOPS, path)
    probes = _read_table(file, PROBES, path)
    if probes is None or len(probes) == 0:
        return rows
    try:
        unfolded = _unfold(file, probes)
    except (OSError, RuntimeError, KeyError, ValueError) as problem:
        raise InputError(f"{path}: {PROBES} cannot be read ({_first_line(problem)})") from problem
    return unfolded if rows is None else concatenate([rows, unfolded])


def _unfold(file: h5py.File, probes: Table) -> Table:
    arrays = {name: file[f"/overlap/{name}"] for name in HOP_FIGURES}
    own = [name for name in probes.keys if name not in ("attention_row", "polling")]
    parts: dict[str, list[Column]] = {
        name: [] for name in ("attention_row", "rank", "hop", *HOP_FIGURES, "exposed", "overlap", "polling", *own)
    }
    for probe in probes.rows():
        ranks, steps, first = int(probe["ranks"]), int(probe["steps"]), int(probe["first"])
        figures = {name: array[first : first + ranks * steps] for name, array in arrays.items()}
        if any(len(numbers) != ranks * steps for numbers in figures.values()):
            raise ValueError(f"an array ends before the {ranks} x {steps} numbers of a probe")
        waits = ~np.isnan(figures["t_comm"])  # a step without a transfer is no hop
        places = np.flatnonzero(waits)
        hop = {name: numbers[waits].astype(np.float64) for name, numbers in figures.items()}
        shorter = np.minimum(hop["t_compute"], hop["t_comm"])
        hidden = hop["t_compute"] + hop["t_comm"] - hop["t_both"]
        hop["exposed"] = hop["t_both"] - hop["t_compute"]
        hop["overlap"] = np.divide(hidden, shorter, out=np.zeros_like(hidden), where=shorter > 0)
        hop |= {"rank": places // steps, "hop": places % steps, "bytes": figures["bytes"][waits]}
        hop |= {name: np.full(len(places), probe[name]) for name in ("attention_row", "polling", *own)}
        for name, values in parts.items():
            values.append(hop[name])
    columns = {name: np.concatenate(values) if values else np.empty(0) for name, values in parts.items()}
    keys = dict.fromkeys(("attention_row", "rank", "hop", "polling", *own), roles.KEY)
    return Table(columns, roles=keys | {name: "measure" for name in columns if name not in keys})


#: What a record means that is older than the column: a plain ring was all there was.
SCHEDULE_BEFORE: dict[str, str | int | bool] = {
    "schedule": "ring", "ulysses": 1, "window": 0, "head_groups": 1, "trim": False
}  # fmt: skip


#: The same of the columns that tell simulated rows, by table.
SIMULATION_BEFORE: dict[str, dict[str, str | int | bool]] = {
    ATTENTION: {"simulated": False, "rates": "", "rates_digest": "", "platform": "", "platform_digest": ""},
    LINKS: {"simulated": False, "platform": "", "platform_digest": ""},
}


def _to_table(dataset: h5py.Dataset) -> Table:
    data = dataset[()]
    columns = {
        str(name): _plain(data[name], h5py.check_enum_dtype(dataset.dtype[name])) for name in dataset.dtype.names
    }
    old_names = _old_names(columns)
    columns = _renamed(columns, old_names)
    of_columns = (
        _renamed(_described(dataset, "roles"), old_names)
        if "roles" in dataset.attrs
        else roles.before_roles(str(dataset.name), columns)
    )
    before_columns: dict[str, str | int | bool] = SCHEDULE_BEFORE if "layout" in columns else {}
    if dataset.name in SIMULATION_BEFORE:
        before_columns = before_columns | SIMULATION_BEFORE[dataset.name]
    for name, before in before_columns.items():
        if name not in columns:
            columns[name] = np.full(len(data), before)
            of_columns[name] = roles.KEY
    units, meanings = (_renamed(_described(dataset, name), old_names) for name in ("units", "meanings"))
    return Table(columns, units, meanings, of_columns)


def _old_names(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return the columns that had another name in older records: `schedule` once named the list of stages."""
    is_old = "stage" in columns and "schedule" in columns and "stages" not in columns
    return {"schedule": "stages"} if is_old else {}


def _renamed(values: Mapping[str, _Value], names: Mapping[str, str]) -> dict[str, _Value]:
    return {names.get(name, name): value for name, value in values.items()}


def _described(dataset: h5py.Dataset, attribute: str) -> dict[str, str]:
    """Pair the optional, aligned attributes `columns` and `units` (or `meanings`, or `roles`)."""
    names, texts = dataset.attrs.get("columns"), dataset.attrs.get(attribute)
    if texts is None:
        return {}
    keys = [_text(name) for name in np.atleast_1d(names)] if names is not None else list(dataset.dtype.names)
    values = [_text(value) for value in np.atleast_1d(texts)]
    return dict(zip(keys, values)) if len(keys) == len(values) else {}


def _plain(values: Column, members: Mapping[str, int] | None) -> Column:
    """Turn bytes into text, and an enumeration of FALSE and TRUE into bool."""
    if members is not None and {name.upper() for name in members} == {"FALSE", "TRUE"}:
        false = next(value for name, value in members.items() if name.upper() == "FALSE")
        return np.not_equal(values, false)
    if values.dtype.kind in "SO":
        texts = [_text(value) for value in values.ravel()]
        return np.array(texts, dtype=np.str_).reshape(values.shape) if texts else np.empty(values.shape, dtype="U1")
    return values


def _text(value: Any) -> str:  # noqa: ANN401 - HDF5 attributes hold anything
    if isinstance(value, bytes):
        return value.split(b"\0", 1)[0].decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return ", ".join(_text(item) for item in value.ravel()) if value.shape else _text(value.item())
    if isinstance(value, np.generic):
        return _text(value.item())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, h5py.Empty):
        return ""
    return str(value)


def _read_node(group: h5py.Group) -> Node:
    values = {str(name): _text(value) for name, value in group.attrs.items()}
    if isinstance(group.attrs.get("argv"), np.ndarray):
        values["argv"] = shlex.join(_text(word) for word in group.attrs["argv"].ravel())  # ready to be pasted
    tables: dict[str, Table] = {}
    children: dict[str, Node] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            children[name] = _read_node(item)
        elif isinstance(item, h5py.Dataset):
            if item.dtype.names is not None and item.ndim == 1:
                tables[name] = _to_table(item)
            else:
                values[name] = _text(item[()])
    return Node(values, tables, children)
