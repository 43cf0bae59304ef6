"""A template: the YAML of objects in which some places are filled in by Helm."""

from __future__ import annotations

import json
import re
from typing import Any

from devenv.render.bundle import to_yaml

NAMESPACE = "RELEASE-NAMESPACE"
"""The namespace in a stack that is rendered as a chart; no namespace has capitals."""

HOLE = "devenv.dev/hole-"  # no line of a user's file is this and a number
_MARK = re.compile(rf"^(?P<indent>[ -]*?)(?P<key>\S+: )?{re.escape(HOLE)}(?P<number>\d+)(?:: null)?$")


class Page:
    """Objects with holes. A hole is a mark in the object, and what Helm reads in its place.

    Everything else is text: braces in it are written so that Helm prints them.
    """

    def __init__(self) -> None:
        self._holes: list[tuple[str, Any]] = []

    def _hole(self, kind: str, content: Any) -> str:
        self._holes.append((kind, content))
        return f"{HOLE}{len(self._holes) - 1}"

    def inline(self, expression: str) -> str:
        """A value that the expression prints on the same line."""
        return self._hole("inline", f"{{{{ {expression} }}}}")

    def nested(self, expression: str) -> str:
        """A value that the expression prints as lines below the key."""
        return self._hole("nested", expression)

    def entries(self, expression: str) -> str:
        """An entry of a list: those that the expression prints."""
        return self._hole("entries", expression)

    def when(self, condition: str, then: Any, otherwise: Any = None) -> str:
        """A key, with null as its value, or an entry of a list: what stands there under a condition.

        `condition` is written as in `{{- if ... }}`, with its word.
        """
        return self._hole("when", (condition, then, otherwise))

    def more(self, expression: str) -> str:
        """A key, with null as its value: further keys, where the expression has some."""
        return self._hole("more", expression)

    def text(self, value: Any, margin: str = "") -> str:
        """The template of an object, or of what stands under a condition, with this margin."""
        lines = (self._line(line, margin) for line in to_yaml(self._spaced(value)).split("\n")[:-1])
        return "".join(f"{line}\n" for line in lines)

    def _spaced(self, value: Any) -> Any:
        """The value with texts that name the namespace as holes: quoted, whatever it is called."""
        match value:
            case str() if NAMESPACE in value and "\n" not in value:
                quoted = _printed(json.dumps(value, ensure_ascii=False))
                return self._hole("inline", quoted.replace(NAMESPACE, _RELEASE))
            case dict():
                return {key: self._spaced(item) for key, item in value.items()}
            case list() | tuple():
                return [self._spaced(item) for item in value]
        return value

    def _line(self, line: str, margin: str) -> str:
        match = _MARK.match(line)
        if match is None:
            return (margin + _printed(line).replace(NAMESPACE, _RELEASE)).rstrip(" ")
        kind, content = self._holes[int(match["number"])]
        key, indent = match["key"] or "", margin + match["indent"]
        depth = len(indent.removesuffix("- ")) if not key else len(indent)
        if kind == "inline":
            return f"{indent}{key}{content}"
        if kind == "nested":
            return f"{indent}{key.rstrip()} {{{{- {content} | nindent {depth + 2} }}}}"
        space = " " * depth
        if kind == "entries":
            return f"{space}{{{{- {content} | nindent {depth} }}}}"
        if kind == "more":
            lines = (f"with {content}", f"toYaml . | nindent {depth}", "end")
            return "\n".join(f"{space}{{{{- {line} }}}}" for line in lines)
        condition, then, otherwise = content
        parts = [f"{space}{{{{- {condition} }}}}\n", self.text(then, space)]
        if otherwise is not None:
            parts += [f"{space}{{{{- else }}}}\n", self.text(otherwise, space)]
        return "".join([*parts, f"{space}{{{{- end }}}}"])


_RELEASE = "{{ $.Release.Namespace }}"


def _printed(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')
