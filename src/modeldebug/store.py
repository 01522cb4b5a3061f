"""The run folder: atomic writes, hashes, one process at a time. It holds everything that a run is.

RUN/manifest.json              versions, seed, settings, and the key and hashes of each finished stage
RUN/stages/NAME.safetensors    a stage's tensors
RUN/stages/NAME.json           a stage's figures
RUN/stages/NAME.checkpoint     where an unfinished stage goes on from
RUN/corrected.safetensors      the corrected classifier's weights
RUN/results.json, report.html, log.txt
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import filelock
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from .errors import RunFolderError

FORMAT = 8  # raised whenever a stage writes something else, or other networks read it
CHECKPOINT_SECONDS = 10.0
FolderKind = Literal["run", "inspection", "comparison"]


@dataclass(frozen=True, eq=False)
class Saved:
    """What a stage leaves behind: tensors by name, and figures as JSON values."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with `prefix/`, without it."""
        start = prefix + "/"
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`{"w": t}` as `{"prefix/w": t}`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def tensors_of(value: Any) -> dict[str, Tensor]:
    """The tensors of a frozen dataclass, by field; without those that are None."""
    return {f.name: v for f in fields(value) if isinstance(v := getattr(value, f.name), Tensor)}


class RunStore:
    """One run folder. Make it with `create` or `open`; write only inside `locked()`."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def kind(self) -> FolderKind:
        """What the folder holds."""
        kind: FolderKind = self.manifest["kind"]
        return kind

    @staticmethod
    def create(path: Path, manifest: Mapping[str, Any]) -> RunStore:
        """Make a run folder; nothing is written over.

        Raises:
            RunFolderError: it holds a run or other files, or cannot be written.
        """
        RunStore.refuse_taken(path)
        store = RunStore(path, {"format": FORMAT, **manifest, "stages": {}})
        try:
            (path / "stages").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, error) from error
        store.save_manifest()
        return store

    @staticmethod
    def refuse_taken(path: Path) -> None:
        """Refuse a folder that a new run would write over.

        Raises:
            RunFolderError: it holds a run or other files, or cannot be looked into.
        """
        try:
            holds_run = (path / "manifest.json").exists()
            holds_other = path.exists() and (not path.is_dir() or not _is_empty(path))
        except OSError as error:
            raise _cannot_write(path, error) from error
        if holds_run:
            raise RunFolderError(
                "the folder holds a run already",
                got=path,
                expected="a new folder",
                fix=f"go on with it: modeldebug resume {shlex.quote(str(path))}; or give another --out",
            )
        if holds_other:
            raise RunFolderError(
                "the folder is not empty, and holds no run", got=path, expected="a new or empty folder"
            )

    @staticmethod
    def open(path: Path) -> RunStore:
        """An existing run folder.

        Raises:
            RunFolderError: there is no run in it, or its manifest cannot be read.
        """
        file = path / "manifest.json"
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunFolderError(
                "there is no run in this folder",
                got=path,
                expected="a folder with a manifest.json",
                fix="modeldebug run --out DIR",
            ) from error
        except (OSError, ValueError) as error:
            raise RunFolderError(f"the run's manifest cannot be read: {error}", got=file) from error
        found = manifest.get("format") if isinstance(manifest, dict) else None
        if found != FORMAT:
            raise RunFolderError(
                "the run was made by another version, or its manifest is no modeldebug's",
                got=f"{file}: format {found}",
                expected=f"format {FORMAT}",
                fix="begin a new run without it, or use the version that made it (`versions` in its manifest.json)",
            )
        return RunStore(path, manifest)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes with the process, however it ends.

        Raises:
            RunFolderError: another process works on this run.
        """
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise RunFolderError(
                "another process is working on this run", got=self.path, fix="wait for it, or end it, and try again"
            ) from error
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        try:
            self.manifest = RunStore.open(self.path).manifest
            self._tidy()
            yield
        finally:
            lock.release()

    def _tidy(self) -> None:
        """Remove what a process that was killed left behind: drafts, and checkpoints of finished stages."""
        left = [*self.path.glob("*.tmp"), *self.path.glob("stages/*.tmp")]
        left += [self.path / "stages" / f"{stage}.checkpoint" for stage in self.manifest["stages"]]
        for file in left:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def save_manifest(self) -> None:
        self.write_json("manifest.json", self.manifest)

    def write_json(self, name: str, value: object) -> None:
        self.write(name, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """A JSON file of the folder.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        file = self.path / name
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            fix = f"modeldebug resume {shlex.quote(str(self.path))}"
            raise RunFolderError(f"a file of the folder cannot be read: {error}", got=file, fix=fix) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that it is there whole or not at all.

        Raises:
            RunFolderError: the disk is full, or the folder cannot be written.
        """
        target = self.path / name
        draft = target.with_name(target.name + ".tmp")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise _cannot_write(target, error) from error

    def finished(self, stage: str) -> bool:
        return stage in self.manifest["stages"]

    def save_stage(self, stage: str, key: str, saved: Saved, *, seconds: float) -> None:
        """Write a stage's files, and then say in the manifest that it is finished."""
        files = {f"{stage}.json": json.dumps(saved.info, indent=1, ensure_ascii=False, allow_nan=False).encode()}
        if saved.tensors:
            files[f"{stage}.safetensors"] = save_tensors(
                {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in saved.tensors.items()}
            )
        for name, content in files.items():
            self.write(f"stages/{name}", content)
        self.manifest["stages"][stage] = {
            "key": key,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "seconds": round(seconds, 3),
        }
        self.save_manifest()
        (self.path / "stages" / f"{stage}.checkpoint").unlink(missing_ok=True)

    def load_stage(self, stage: str, key: str | None = None) -> Saved:
        """A finished stage, its files held against the manifest's hashes.

        Raises:
            RunFolderError: a file is missing or damaged, or the stage was made from other settings (`key`).
        """
        entry = self.manifest["stages"].get(stage)
        again = f"modeldebug resume {shlex.quote(str(self.path))} --redo {stage}"
        if entry is None:
            raise RunFolderError(
                f"the run has not finished its stage '{stage}'",
                got=self.path,
                fix=f"modeldebug resume {shlex.quote(str(self.path))}",
            )
        if key is not None and entry["key"] != key:
            raise RunFolderError(
                f"the stage '{stage}' was made from other inputs, settings or versions than this run has now",
                got=self.path,
                expected="the same data, classifier weights, plugins and versions as at its start",
                fix=f"put them back, or do it and all later stages again: {again}",
            )
        contents = {}
        for name, digest in entry["files"].items():
            file = self.path / "stages" / name
            try:
                contents[name] = file.read_bytes()
            except OSError as error:
                raise RunFolderError(
                    f"a file of the finished stage '{stage}' is missing: {error.strerror}",
                    got=file,
                    fix=f"put it back, or do this stage and all later ones again: {again}",
                ) from error
            if hashlib.sha256(contents[name]).hexdigest() != digest:
                raise RunFolderError(
                    f"a file of the finished stage '{stage}' is damaged",
                    got=f"{file}, {len(contents[name])} bytes with another SHA-256 than the manifest's",
                    fix=f"put it back, or do this stage and all later ones again: {again}",
                )
        packed = contents.get(f"{stage}.safetensors")
        return Saved({} if packed is None else load_tensors(packed), json.loads(contents[f"{stage}.json"]))

    def take_over(self, stage: str, key: str, other: RunStore) -> bool:
        """Copy a stage of another run, where that has finished it under the same key and its files are whole; whether
        that is so.

        Raises:
            RunFolderError: it cannot be written here.
        """
        entry = other.manifest["stages"].get(stage)
        if entry is None or entry["key"] != key:
            return False
        contents = {}
        for name, digest in entry["files"].items():
            try:
                contents[name] = (other.path / "stages" / name).read_bytes()
            except OSError:
                return False
            if hashlib.sha256(contents[name]).hexdigest() != digest:
                return False
        for name, content in contents.items():
            self.write(f"stages/{name}", content)
        self.manifest["stages"][stage] = entry
        self.save_manifest()
        return True

    def drop_stages(self, stages: list[str]) -> None:
        """Forget finished stages and their checkpoints, so that they are done again."""
        for stage in stages:
            self.manifest["stages"].pop(stage, None)
            for suffix in ("json", "safetensors", "checkpoint"):
                (self.path / "stages" / f"{stage}.{suffix}").unlink(missing_ok=True)
        self.save_manifest()

    def checkpoint(self, stage: str, key: str) -> StageCheckpoint:
        return StageCheckpoint(self, stage, key)


class StageCheckpoint:
    """Saves the progress of a stage now and then: tensors and primitives, read back without running code.

    Attributes:
        before: seconds that were spent on the stage until it was interrupted, once its progress is loaded.
    """

    def __init__(self, store: RunStore, stage: str, key: str) -> None:
        self._store, self._name, self._key = store, f"stages/{stage}.checkpoint", key
        self._began = self._last = time.monotonic()
        self.before = 0.0

    def load(self) -> dict[str, object] | None:
        """What was saved last, or None; a checkpoint of other settings, or a broken one, counts for nothing."""
        file = self._store.path / self._name
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # missing or damaged: the stage starts from its beginning, which is always right
            return None
        if content.get("key") != self._key:
            return None
        self.before = content["seconds"]
        return content["state"]  # type: ignore[no-any-return]

    def save(self, make: Callable[[], dict[str, object]], *, now: bool = False) -> None:
        """Save what `make()` gives, at most every few seconds, or now."""
        if not now and time.monotonic() - self._last < CHECKPOINT_SECONDS:
            return
        buffer = io.BytesIO()
        seconds = self.before + time.monotonic() - self._began
        torch.save({"key": self._key, "state": make(), "seconds": seconds}, buffer)
        self._store.write(self._name, buffer.getvalue())
        self._last = time.monotonic()


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what making a run leaves when it ends before the first manifest."""
    names = {file.name for file in folder.iterdir()} - {"manifest.json.tmp"}
    stages = folder / "stages"
    return not names or (names == {"stages"} and stages.is_dir() and not any(stages.iterdir()))


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, fix = "the disk is full", "free some space; finished stages are kept: modeldebug resume RUN goes on"
    else:
        what, fix = f"this cannot be written: {error.strerror}", "check the permissions, or give another --out"
    return RunFolderError(what, got=path, fix=fix)
