"""The files of published data sets: in a folder of the user's, or downloaded once, with checksums."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch

from modeldebug import DataError

from .converted import cache_folder, fingerprint

SECONDS = 30.0  # without an answer, a mirror counts as dead
_CHUNK = 1 << 16
_EVERY = 3.0  # seconds between two lines of progress


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        name: of the file.
        md5: its checksum, as torchvision lists it.
        urls: the mirrors that have it, tried in this order.
    """

    name: str
    md5: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Attributes:
        title: the data set's name for people.
        remote: all its files, and where they can be had.
        folders: where they may lie below `root`, besides in it.
        root: the folder that holds them already; they are downloaded if None.
        plugin: for messages.
    """

    title: str
    remote: Sequence[Remote]
    folders: Sequence[str]
    root: str | None
    plugin: str

    def fingerprint(self, part: slice) -> Sequence[object]:
        """What the contents of some of the files are told by, without reading or downloading them."""
        return [file.md5 for file in self.remote[part]] if self.root is None else fingerprint(self.get(part))

    def get(self, part: slice) -> list[Path]:
        """Some of the files, in their order; those below `root` may be unpacked (without `.gz`).

        Raises:
            DataError: one is missing, or can be had from no mirror.
        """
        return [self._download(file) for file in self.remote[part]] if self.root is None else self._found()[part]

    def _found(self) -> list[Path]:
        root = Path(self.root or "")
        if not root.is_dir():
            raise DataError("there is no such folder", got=root, fix="check dataset.root", plugin=self.plugin)
        places = [root, *(root / folder for folder in self.folders)]
        found = [[_there(place, file.name) for file in self.remote] for place in places]
        best = max(found, key=lambda paths: sum(path is not None for path in paths))
        missing = [file for file, path in zip(self.remote, best, strict=True) if path is None]
        if missing:
            unpacked = " (unpacked or not)" if any(file.name.endswith(".gz") for file in self.remote) else ""
            raise DataError(
                f"files of {self.title} are missing: {', '.join(file.name for file in missing)}",
                got=", ".join(str(path) for path in best if path is not None) or f"none of them in {root}",
                expected=f"{', '.join(file.name for file in self.remote)}{unpacked}, together in {root}"
                + (f", or in its folder {', '.join(self.folders)}" if self.folders else ""),
                fix="get what is missing: " + ", ".join(file.urls[0] for file in missing),
                plugin=self.plugin,
            )
        return [path for path in best if path is not None]

    def _download(self, file: Remote) -> Path:
        """The file in the cache folder; where it is not there, from the first mirror that gives the right bytes."""
        folder, reasons = cache_folder() / "downloads" / self.title, []
        pooch.get_logger().setLevel("ERROR")  # what it would tell is told here
        for url in file.urls:
            downloader = pooch.HTTPDownloader(progressbar=_Progress(file.name, url), chunk_size=_CHUNK, timeout=SECONDS)
            try:
                return Path(pooch.retrieve(url, f"md5:{file.md5}", file.name, folder, downloader=downloader))
            except (OSError, ValueError) as error:  # requests raises OSErrors, and pooch a ValueError for other bytes
                reasons.append(f"{url}: {_reason(error)}")
        raise DataError(
            f"{file.name} of {self.title} could not be downloaded",
            got="; ".join(reasons),
            expected="a network; or the files of the data set in a folder of yours",
            fix=f"download by hand {', '.join(file.urls[0] for file in self.remote)}; put them into one folder, such "
            f"as data/{self.title}, and add --set dataset.root=data/{self.title}",
            plugin=self.plugin,
        )


def _there(folder: Path, name: str) -> Path | None:
    plain = name.removesuffix(".gz")
    names = (plain, plain.replace("-idx", ".idx"), name, name.replace("-idx", ".idx"))
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):  # some of requests' errors are ValueErrors too
        return "other bytes than the published file: its checksum differs"
    text = " ".join(str(error).split())
    return text if 0 < len(text) < 150 else type(error).__name__  # a failed connection is told at length


class _Progress:
    """What pooch tells of a download, as lines on stderr: a first one always, more of them on a terminal.

    Lines, and no bar: the run's own bar may stand on the terminal, and moves up for them.
    """

    total = 0

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url, self._done, self._told = name, url, 0, 0.0

    def update(self, size: int) -> None:
        self._done += size
        now, share = time.monotonic(), f"{100 * self._done // max(self.total, 1):3} % of " if self.total else ""
        if not self._told:
            print(f"downloading {self._name} ({_megabytes(self.total)}) from {self._url}", file=sys.stderr, flush=True)
            self._told = now
        elif now - self._told > _EVERY and sys.stderr.isatty():
            done = _megabytes(self.total or self._done)
            print(f"downloading {self._name}: {share}{done}", file=sys.stderr, flush=True)
            self._told = now

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        return None


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else "size unknown"
