"""Our side of the script in a container: what it is asked for, and what becomes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devenv.backends.agent.changes import Place, Sending, Sent
from devenv.backends.agent.files import Files
from devenv.backends.agent.hello import Hello
from devenv.backends.agent.mounts import mount_points
from devenv.backends.agent.shell import call, script_of
from devenv.backends.agent.stages import READ_ONLY, SHARED, Stages
from devenv.backends.base import Privileged
from devenv.backends.dialogue import Attach, Dialogue, Unsendable
from devenv.errors import DevenvError

RELEASED = f"{SHARED}/released"  # the program of this container was started once


class ReadOnly(Unsendable):
    """None of the synced folders can be written to."""


@dataclass(frozen=True, slots=True)
class Program:
    """A supervised program: "held", "running" or "ended" with a code, and how often it was started."""

    state: str
    pid: int
    code: int
    starts: int


def supervised(argv: Sequence[str], *, grace: float, hold: bool = False) -> list[str]:
    """What a container's entrypoint becomes for its program to be restarted in place.

    With `hold` the program starts at `Agent.release`, and by itself where the container is started again.
    """
    return ["/bin/sh", "-c", script_of("supervise"), "devenv", f"{grace:g}", RELEASED if hold else "", *argv]


class Agent:
    """Our hand in one container. Used by one thread at a time."""

    def __init__(
        self, dialogue: Dialogue, privileged: Privileged | None, roots: Sequence[str], shared: str
    ) -> None:
        self._dialogue = dialogue
        answer = dialogue.begin(b"hello")
        pid, uid, gid, supervisor, *tools = answer.words
        mounts = mount_points(answer.text)
        self._stages = stages = Stages(dialogue, mounts, shared)
        reasons = [stages.closed(Place(root, "")) for root in roots]
        if reasons and all(reason == READ_ONLY for reason in reasons):
            raise ReadOnly("the container's files are read-only")
        self.hello = Hello(
            int(uid), int(gid), frozenset(tools), mounts, supervisor == "supervised", dict(stages.record)
        )

        def as_root(privileged: Privileged) -> Agent:
            return Agent.start(privileged.attach, privileged, shared=shared)

        self._files = Files(dialogue, stages, self.hello, pid, privileged, as_root)

    @classmethod
    def start(
        cls,
        attach: Attach,
        privileged: Privileged | None = None,
        *,
        roots: Sequence[str] = (),
        shared: str = SHARED,
    ) -> Agent:
        """Start one; `roots` are the synced folders whose records it reads.

        Raises `NoShell`, `ReadOnly`, `Paused`, `DevenvError`; `StreamEnded` when the container ends.
        """
        dialogue = Dialogue(attach, script_of("agent"))
        try:
            return cls(dialogue, privileged, roots, shared)
        except BaseException:
            dialogue.close()
            raise

    @property
    def record(self) -> Mapping[str, str]:
        """Target -> digest of all that was sent, by this agent or before it; "" for deleted."""
        return self._stages.record

    def close(self) -> None:
        """Hang up; the agent ends."""
        self._dialogue.close()
        self._files.close()

    def send(self, changes: Sequence[Sending]) -> Sent:
        """Bring files to what they should be; they are when it returns. The last of a target counts.

        Raises `StreamEnded` when the container is gone, `Paused`.
        """
        return self._files.send(changes)

    def run(self, argv: Sequence[str], *, output: Callable[[str], None]) -> int:
        """Run a command in the container's own folder; `output` takes each line. Returns the exit code."""

        def lines(text: bytes) -> None:
            for line in text.decode(errors="replace").splitlines():
                output(line)

        self._dialogue.send([call("run", *argv), b"\n"])
        return int(self._dialogue.answer(lines).words[0])

    # -- the program

    def restart(self, grace: float) -> Program:
        """End the program, with all that it started, and start it again; returns when it was started."""
        return self._tell("restart", f"{grace:g}")

    def release(self) -> Program:
        """Start a program that was held."""
        return self._tell("release")

    def program(self) -> Program:
        """How the program is."""
        return self._tell("state")

    def _tell(self, *words: str) -> Program:
        if not self.hello.supervised:
            raise DevenvError(
                "the container's program cannot be restarted in place", why="no supervisor runs in it"
            )
        answer = self._dialogue.ask(call("tell", *words))
        if answer.word != "ok":
            raise DevenvError("the supervisor in the container does not answer", why=answer.reason)
        state, pid, code, starts = answer.words
        return Program(state, int(pid), int(code), int(starts))
