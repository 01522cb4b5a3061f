"""Keys for classes: one a class where they suffice, else the beginning of a name and the Enter key."""

from __future__ import annotations

import string
from collections.abc import Sequence


class Keys:
    """Which key stands for which class. A class whose name is a single character has that key, if it is free.

    Attributes:
        single: whether one key is enough; else names are typed.
        prefix: stands before the reserved keys where names are typed and one of them is a class.

    >>> keys = Keys(["cat", "dog"], reserved="nuq")
    >>> keys.legend(80), keys.class_of("2")
    (['1 cat   2 dog'], 1)
    """

    def __init__(self, classes: Sequence[str], *, reserved: str) -> None:
        self._classes = classes
        free = [c for c in string.digits[1:] + "0" + string.ascii_lowercase if c not in reserved]
        own = {name: name for name in classes if name in free}
        rest = iter([c for c in free if c not in own])
        pairs = [(own.get(name) or next(rest, None), name) for name in classes]
        self._by_key = {key: i for i, (key, _) in enumerate(pairs) if key is not None}
        self.single = len(self._by_key) == len(classes)
        self.prefix = "/" if not self.single and any(name.casefold() in reserved for name in classes) else ""

    def legend(self, columns: int) -> list[str]:
        """Keys and names, in lines of at most so many columns; of very many classes, how to choose one."""
        if not self.single:
            return [f"{len(self._classes)} classes, from {self._classes[0]} to {self._classes[-1]}"]
        lines = [""]
        for key, i in sorted(self._by_key.items(), key=lambda pair: pair[1]):
            entry = key if key == self._classes[i] else f"{key} {self._classes[i]}"
            if lines[-1] and len(lines[-1]) + 3 + len(entry) > columns:
                lines.append("")
            lines[-1] += ("   " if lines[-1] else "") + entry
        return lines

    def class_of(self, typed: str) -> int | None:
        """The class that was typed; None if that is none, or could be several."""
        if self.single:
            return self._by_key.get(typed)
        lower = typed.casefold()
        names = [name.casefold() for name in self._classes]
        matches = (
            [i for i, name in enumerate(self._classes) if name == typed],
            [i for i, name in enumerate(names) if name == lower],
            [i for i, name in enumerate(names) if lower and name.startswith(lower)],
        )
        found = next(filter(None, matches), [])
        return found[0] if len(found) == 1 else None
