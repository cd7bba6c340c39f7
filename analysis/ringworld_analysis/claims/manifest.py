"""The manifests of published claims, read strictly: a key that nobody reads is an error of its author."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringworld_analysis.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODES = ("F", "M", "S", "P", "Q")
"""Closed form, measured, simulated, predicted, quality of a trained model; the first four by what they prove."""

REASONS = ("hardware", "convention", "method", "weights", "evidence", "calibration")
EVIDENCE = ("primary", "authors", "digitised", "secondary", "recalled")
RULES = ("absolute", "relative", "equal", "order", "upper_bound", "lower_bound", "share_of_bound", "none")

_TOP = {"id": str, "title": str, "target": int, "evidence": str, "inputs": list, "notes": list, "source": dict,
        "configuration": dict, "quantity": dict, "mode": dict, "set_aside": list, "published": dict}  # fmt: skip
_TOP_OPTIONAL = ("inputs", "notes", "set_aside")
_SOURCE = {"work": str, "where": str}
_QUANTITY = {"name": str, "unit": str, "meaning": str}
_MODE = {"model": str, "values": list, "rule": str, "tolerance": (int, float), "share": (int, float), "says": str,
         "how": str, "calibrated_on": list, "group_by": list, "commands": list, "waits_for": str, "reason": str,
         "unit": str}  # fmt: skip
_MODE_OPTIONAL = ("how", "calibrated_on", "group_by", "commands", "waits_for", "reason", "unit")
_NONE_OPTIONAL = (*_MODE_OPTIONAL, "model", "values", "tolerance", "share")
_ASIDE = {"modes": list, "where": dict, "columns": list, "reason": str, "why": str}
_PUBLISHED = {"label": list, "columns": list, "units": list, "rows": list}


@dataclass(frozen=True)
class Mode:
    """How a claim is judged in one mode."""

    name: str
    rule: str
    says: str
    model: str = ""
    values: tuple[str, ...] = ()
    tolerance: float = math.nan
    share: float = 1.0
    """Share of the comparable rows that must be reproduced for the claim to be."""
    calibrated_on: frozenset[str] = frozenset()
    group_by: tuple[str, ...] = ()
    how: str = ""
    commands: tuple[str, ...] = ()
    """What makes the records of this mode, run from the root of the source tree; the program adds the file to write."""
    waits_for: str = ""
    """Why there is no such command."""
    reason: str = ""
    unit: str = ""


@dataclass(frozen=True)
class SetAside:
    """Points that are not comparable in some modes."""

    modes: tuple[str, ...]
    where: Mapping[str, Any]
    columns: tuple[str, ...]
    reason: str
    why: str


@dataclass(frozen=True)
class Manifest:
    """One published claim or table of claims."""

    path: Path
    id: str
    title: str
    target: int
    evidence: str
    work: str
    where: str
    quantity: str
    unit: str
    meaning: str
    configuration: Mapping[str, Any]
    modes: Mapping[str, Mode]
    label: tuple[str, ...]
    columns: tuple[str, ...]
    units: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]
    set_aside: tuple[SetAside, ...] = ()
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: Mapping[str, Manifest] = field(default_factory=dict)
    """Manifests of `inputs`, by id."""

    def label_of(self, row: Mapping[str, Any]) -> str:
        """Return the name of a row: its label columns."""
        return ", ".join(
            str(row[name]).lower() if isinstance(row[name], bool) else str(row[name]) for name in self.label
        )


def read_all(folder: Path) -> list[Manifest]:
    """Return the manifests of a folder, ordered by target.

    :raises InputError: naming file and key, when one cannot be read or has a key that is not known
    """
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(f"{folder}: no manifests (*.toml)")
    found = {path.stem: read(path) for path in paths}
    complete = []
    for one in found.values():
        for name in one.inputs:
            if name not in found:
                raise InputError(f"{one.path}: inputs: there is no manifest {name}")
        complete.append(_with_tables(one, {name: found[name] for name in one.inputs}))
    return sorted(complete, key=lambda one: one.target)


def read(path: Path) -> Manifest:
    """Return one manifest.

    :raises InputError: naming file and key
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror})") from problem
    except ValueError as problem:
        raise InputError(f"{path}: {problem}") from problem
    _check(path, "", content, _TOP, _TOP_OPTIONAL)
    if content["id"] != path.stem:
        raise InputError(f"{path}: id: is {content['id']}, but the file has another name")
    _one_of(path, "evidence", content["evidence"], EVIDENCE)
    source, quantity, published = content["source"], content["quantity"], content["published"]
    _check(path, "source.", source, _SOURCE)
    _check(path, "quantity.", quantity, _QUANTITY, ("meaning",))
    _check(path, "published.", published, _PUBLISHED)
    columns, rows = _table(path, published)
    modes = {name: _mode(path, name, value, columns) for name, value in content["mode"].items()}
    manifest = Manifest(
        path=path, id=content["id"], title=content["title"], target=content["target"], evidence=content["evidence"],
        work=source["work"], where=source["where"], quantity=quantity["name"], unit=quantity["unit"],
        meaning=quantity.get("meaning", ""), configuration=content["configuration"], modes=modes,
        label=tuple(published["label"]), columns=columns, units=dict(zip(columns, published["units"])), rows=rows,
        set_aside=tuple(_aside(path, *part, columns) for part in enumerate(content.get("set_aside", []))),
        inputs=tuple(content.get("inputs", [])), notes=tuple(content.get("notes", [])),
    )  # fmt: skip
    _check_calibration(manifest)
    return manifest


def _with_tables(one: Manifest, tables: Mapping[str, Manifest]) -> Manifest:
    return Manifest(**{**one.__dict__, "tables": tables})


def _check(path: Path, prefix: str, found: Mapping[str, Any], known: Mapping[str, Any], optional: Any = ()) -> None:  # noqa: ANN401
    for key, value in found.items():
        if key not in known:
            raise InputError(f"{path}: {prefix}{key}: is not a key that is known here")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise InputError(f"{path}: {prefix}{key}: has the wrong type, {type(value).__name__}")
    for key in known:
        if key not in found and key not in optional:
            raise InputError(f"{path}: {prefix}{key}: is missing")


def _one_of(path: Path, key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{path}: {key}: {value} is none of {', '.join(allowed)}")


def _columns_exist(path: Path, key: str, names: Any, columns: tuple[str, ...]) -> None:  # noqa: ANN401
    for name in names:
        if name not in columns:
            raise InputError(f"{path}: {key}: {name} is not a column of the table")


def _table(path: Path, published: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Mapping[str, Any], ...]]:
    columns = tuple(published["columns"])
    if len(set(columns)) != len(columns):
        raise InputError(f"{path}: published.columns: has a name twice")
    if len(published["units"]) != len(columns):
        raise InputError(f"{path}: published.units: has {len(published['units'])} entries for {len(columns)} columns")
    _columns_exist(path, "published.label", published["label"], columns)
    rows = []
    for number, row in enumerate(published["rows"], start=1):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InputError(f"{path}: published.rows: row {number} does not have {len(columns)} values")
        rows.append(dict(zip(columns, row)))
    labels = [tuple(row[name] for name in published["label"]) for row in rows]
    if len(set(labels)) != len(labels):
        raise InputError(f"{path}: published.label: two rows have the same label")
    return columns, tuple(rows)


def _mode(path: Path, name: str, found: Any, columns: tuple[str, ...]) -> Mode:  # noqa: ANN401
    _one_of(path, "mode", name, MODES)
    key = f"mode.{name}."
    if not isinstance(found, dict):
        raise InputError(f"{path}: mode.{name}: is not a section")
    _check(path, key, found, _MODE, _NONE_OPTIONAL if found.get("rule") == "none" else _MODE_OPTIONAL)
    _one_of(path, key + "rule", found["rule"], RULES)
    if found["rule"] == "none":
        _one_of(path, key + "reason", found.get("reason", ""), REASONS)
    _columns_exist(path, key + "values", found.get("values", []), columns)
    groups = tuple(name for name in found.get("group_by", []) if name != "column")
    _columns_exist(path, key + "group_by", groups, columns)
    return Mode(
        name=name, rule=found["rule"], says=found["says"], model=found.get("model", ""),
        values=tuple(found.get("values", [])), tolerance=float(found.get("tolerance", math.nan)),
        share=float(found.get("share", 1.0)), calibrated_on=frozenset(found.get("calibrated_on", [])),
        group_by=tuple(found.get("group_by", [])), how=found.get("how", ""), commands=tuple(found.get("commands", [])),
        waits_for=found.get("waits_for", ""),
        reason=found.get("reason", ""), unit=found.get("unit", ""),
    )  # fmt: skip


def _aside(path: Path, number: int, found: Any, columns: tuple[str, ...]) -> SetAside:  # noqa: ANN401
    key = f"set_aside[{number}]."
    _check(path, key, found, _ASIDE, ("where", "columns"))
    _one_of(path, key + "reason", found["reason"], REASONS)
    _columns_exist(path, key + "where", found.get("where", {}), columns)
    _columns_exist(path, key + "columns", found.get("columns", []), columns)
    return SetAside(
        tuple(found["modes"]), found.get("where", {}), tuple(found.get("columns", [])), found["reason"], found["why"]
    )


def _check_calibration(manifest: Manifest) -> None:
    for mode in manifest.modes.values():
        names = {f"{manifest.label_of(row)} / {column}" for row in manifest.rows for column in mode.values}
        for point in sorted(mode.calibrated_on - names):
            raise InputError(f"{manifest.path}: mode.{mode.name}.calibrated_on: there is no point {point}")
