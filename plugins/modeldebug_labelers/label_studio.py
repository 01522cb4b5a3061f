"""The files of Label Studio: tasks and a labelling configuration out, an export of annotations in.

Images go into the tasks themselves, as data URIs, so that no file server is needed. Exports are read as JSON, JSON-MIN
and CSV (<https://labelstud.io/guide/export>).
"""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from modeldebug import DataError

from .answers import NOTHING, Columns, Given

TASKS, CONFIG = "tasks.json", "labeling_config.xml"
EXPORTS = ("export.json", "export.csv")
CHOICES, IMAGE, NAME = "class", "image", "name"  # what the parts are called in configuration, tasks and exports
_ABOUT = """\
{n} images wait for labels, as tasks for Label Studio.

1. Make a project. Under Settings, Labeling Interface, Code: paste labeling_config.xml.
2. Import tasks.json. The images are in it; nothing else needs to be served.
3. When the images are labelled, export as JSON (or JSON-MIN, or CSV), and save the file in this folder as export.json
   (or export.csv). Each person who annotates counts as one annotator.

Then, in the folder where the run was started: modeldebug resume {run}
"""


def write(folder: Path, pictures: Mapping[str, bytes], classes: Sequence[str], columns: Columns, run: str) -> None:
    """Tasks, the labelling configuration, and what to do with them; who annotates is for Label Studio to know."""
    tasks = [{"data": {IMAGE: _data_uri(png), NAME: name}} for name, png in pictures.items()]
    (folder / TASKS).write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    (folder / CONFIG).write_text(labeling_config(classes), encoding="utf-8")
    (folder / "README.txt").write_text(_ABOUT.format(n=len(pictures), run=run), encoding="utf-8")


def labeling_config(classes: Sequence[str]) -> str:
    """An image, and one choice among the classes and none of them.

    >>> print(labeling_config(["cat", "dog & co"]))
    <View>
      <Image name="image" value="$image" zoom="true"/>
      <Choices name="class" toName="image" choice="single" required="true" showInline="true">
        <Choice value="cat"/>
        <Choice value="dog &amp; co"/>
        <Choice value="none of the above"/>
      </Choices>
    </View>
    """
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in [*classes, NOTHING])
    return (
        f'<View>\n  <Image name="{IMAGE}" value="${IMAGE}" zoom="true"/>\n'
        f'  <Choices name="{CHOICES}" toName="{IMAGE}" choice="single" required="true" showInline="true">\n'
        f"{choices}\n  </Choices>\n</View>"
    )


def names(folder: Path) -> set[str]:
    """The images that the tasks in a folder are about, as far as they can be read."""
    try:
        return {task["data"][NAME] for task in json.loads((folder / TASKS).read_text(encoding="utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def read(folder: Path) -> tuple[Path, list[str], list[Given]] | None:
    """The export's file, its annotators, and their answers; None where there is no export yet.

    Raises:
        DataError: it is no export of such tasks.
    """
    file = next((folder / name for name in EXPORTS if (folder / name).exists()), None)
    if file is None:
        return None
    try:
        text = file.read_text(encoding="utf-8-sig")
        given = list(_of_table(text) if file.suffix == ".csv" else _of_json(json.loads(text)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the export {file} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected=f"what Label Studio exports of {TASKS}, as JSON, JSON-MIN or CSV",
        ) from error
    return file, list(dict.fromkeys(one.annotator for one in given)), given


def _of_json(tasks: Sequence[Mapping[str, Any]]) -> Iterator[Given]:
    """JSON has annotations inside of tasks; JSON-MIN a row for each annotation."""
    for number, task in enumerate(tasks, start=1):
        if "annotations" not in task:
            yield from _of_row(number, task)
            continue
        for annotation in task["annotations"]:
            if annotation.get("was_cancelled"):  # the task was skipped
                continue
            for part in annotation["result"]:
                if part["type"] == "choices" and part["from_name"] == CHOICES:
                    yield _given(number, task["data"][NAME], annotation["completed_by"], part["value"]["choices"])


def _of_table(text: str) -> Iterator[Given]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # images are in the table, too
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=1):
        yield from _of_row(number, row)


def _of_row(number: int, row: Mapping[str, Any]) -> Iterable[Given]:
    chosen = row.get(CHOICES)  # not there, or empty, where nothing was chosen
    if not chosen:
        return []
    if isinstance(chosen, Mapping):
        chosen = chosen["choices"]
    return [_given(number, row[NAME], row["annotator"], [chosen] if isinstance(chosen, str) else chosen)]


def _given(number: int, image: str, annotator: Any, chosen: Sequence[str]) -> Given:
    who = (annotator.get("email") or annotator.get("id")) if isinstance(annotator, Mapping) else annotator
    name = str(who) if isinstance(who, str) and not who.isdigit() else f"annotator {who}"
    return Given(f"entry {number}", image, name, " and ".join(chosen))


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
