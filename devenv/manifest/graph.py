"""Finds names that refer to each other in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def cycles(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """The cycles of a graph of name -> names, each as a trail that ends where it began.

    A name that refers to itself alone is no cycle, and names outside of the graph lead nowhere.
    """
    visited: set[str] = set()
    for start in graph:
        if trail := _cycle(start, graph, visited):
            yield trail


def _cycle(start: str, graph: Mapping[str, Sequence[str]], visited: set[str]) -> list[str]:
    """The first cycle reachable from `start`, as a trail; adds everything it walks to `visited`."""
    trail: list[str] = []
    todo = [(start, iter(graph.get(start, ())))] if start not in visited else []
    trail += [start] if todo else []
    while todo:
        name, rest = todo[-1]
        following = next(rest, None)
        if following is None:
            todo.pop()
            trail.pop()
            visited.add(name)
        elif following in trail and following != name:
            visited.update(trail)
            return [*trail[trail.index(following) :], following]
        elif following in graph and following not in visited and following != name:
            todo.append((following, iter(graph[following])))
            trail.append(following)
    return []
