"""Inputs that nobody would write: real folders, with a few things in their files changed by chance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from random import Random
from typing import Any

import yaml

from devenv import documents

Files = Mapping[str, str]
"""Path -> text. What is no UTF-8 stands there as Python's surrogates."""

ODD: Sequence[Any] = (
    None, "", 0, 5, -1, 1.5, True, 10**20, float("inf"), "x", ":", "=", "/", "$", "${X}", "${env.X:-1}", "a b", "é", "\n",
    [], [None], [5], ["x"], [[]], [{}], {}, {"x": None}, {"x": 5}, {"x": []}, {"x": {}}, {5: 5}, {None: "x"}, {True: "x"},
)  # fmt: skip
"""Values where another kind of value is expected."""

ANYWHERE = (
    *" \n\t\"'\\:=#-{}[],|&*!%@`$",
    "\r\n",
    "\0",
    "\ufeff",
    "\udcff",
    "\u2028",
    "é",
    "9" * 25,
    "../",
    "---\n",
)


@dataclass(frozen=True)
class Soil:
    """What the inputs of one reader grow from. `signs`: what has a meaning in its files."""

    folders: Sequence[Files]
    signs: Sequence[str] = ()

    @cached_property
    def words(self) -> Sequence[str]:
        """The words and signs of all the files, and what has a meaning in one."""
        texts = chain.from_iterable(folder.values() for folder in self.folders)
        return sorted({word for text in texts for word in re.findall(r"[\w.-]{1,40}|[^\w\s]", text)})

    @cached_property
    def parts(self) -> Mapping[str, Sequence[Any]]:
        """The keys of all the documents, each with the values that it has somewhere."""
        parts: dict[str, list[Any]] = {}
        for text in (text for folder in self.folders for name, text in folder.items() if _is_document(name)):
            for _, key, item in _places(_loaded(text)):
                if isinstance(key, str):
                    parts.setdefault(key, []).append(item)
        return parts


def folder(random: Random, soil: Soil) -> dict[str, str]:
    """One of the folders, with some of its files changed: mostly the first, which the others are beside."""
    files = dict(random.choice(soil.folders))
    for _ in range(random.choice((1, 1, 1, 2))):
        name = next(iter(files)) if random.random() < 0.6 else random.choice(list(files))
        value = _loaded(files[name]) if _is_document(name) and random.random() < 0.7 else None
        files[name] = _document(random, soil, value) if value else _text(random, soil, files[name])
    return files


def smaller(files: Files, breaks: Callable[[Files], bool]) -> Files:
    """The files without every file, every line and every half of a line that is not needed to break it."""
    for name in list(files):
        without = {other: text for other, text in files.items() if other != name}
        if without and breaks(without):
            files = without
    for name in list(files):
        for cut in (r"(?<=\n)", r"(?<=\s)(?=\S)"):
            pieces = re.split(cut, files[name])
            size = len(pieces)
            while size := size // 2:
                start = 0
                while start < len(pieces):
                    fewer = pieces[:start] + pieces[start + size :]
                    if breaks({**files, name: "".join(fewer)}):
                        pieces = fewer
                    else:
                        start += size
            files = {**files, name: "".join(pieces)}
    return files


def _text(random: Random, soil: Soil, text: str) -> str:
    """A text with words put in, cut out, exchanged and repeated; or one of such words alone."""
    if random.random() < 0.5:
        text = "" if random.random() < 0.5 else text[: random.randrange(len(text) + 1)]
        return text + _words(random, soil, 25)
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 0, 1, 3, 20, 200)))
        match random.randrange(4):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + text[start:]
            case _:
                text = text[:start] + _word(random, soil) + text[end:]
    return text


def _words(random: Random, soil: Soil, most: int) -> str:
    return "".join(_word(random, soil) for _ in range(random.randint(1, most)))


def _word(random: Random, soil: Soil) -> str:
    return random.choice(random.choice((soil.signs or soil.words, soil.words or ANYWHERE, ANYWHERE)))


def _document(random: Random, soil: Soil, value: Any) -> str:
    """A document with values exchanged, keys taken from elsewhere, and parts of it missing."""
    root = [deepcopy(value)]
    for _ in range(random.choice((1, 1, 2, 4))):
        holder, key, item = random.choice([*_places(root)])
        elsewhere = random.choice([*soil.parts])
        match random.randrange(8):
            case 0 | 1:
                holder[key] = deepcopy(random.choice(ODD))
            case 2:
                holder[key] = _words(random, soil, 4).encode(errors="ignore").decode()
            case 3:
                del holder[key]
                root = root or [None]
            case 4 | 5 if isinstance(item, dict):
                item[elsewhere] = deepcopy(random.choice(soil.parts[elsewhere]))
            case 4 | 5 if isinstance(item, list):
                item.append(deepcopy(random.choice(soil.parts[elsewhere])))
            case 6:
                holder[key] = deepcopy(random.choice(soil.parts[elsewhere]))
            case _:
                holder[key] = deepcopy(random.choice(soil.parts.get(key, [item])))
    return yaml.dump(root[0], Dumper=_Plain, sort_keys=False, allow_unicode=True)


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes no anchors: what was copied stands there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _is_document(name: str) -> bool:
    return name.endswith((".yaml", ".yml", ".json"))


@lru_cache(maxsize=2048)
def _loaded(text: str) -> Any:
    """The value of a document; None for what is none."""
    try:
        return documents.load(text)
    except (yaml.YAMLError, ValueError, TypeError):
        return None


def _places(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Everything in a value: what holds it, under which key or index, and itself."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield value, key, item
        yield from _places(item)
