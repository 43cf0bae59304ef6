"""What people see, as text: the lines of a run, cards, tables, and nothing that is secret."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, redirect_stderr
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devenv.backends.base import Backend, LogLine
from devenv.cli import take_any_text
from devenv.cli.printing import print_lines, save_logs
from devenv.console import Console, folded, hanging, plain
from devenv.console.board import Board, Row, addresses
from devenv.console.checks import check_lines
from devenv.console.junit import junit
from devenv.console.progress import Lines, Live, cells, headline
from devenv.doctor.verdict import Level, Verdict
from devenv.errors import Card, DevenvError, ManifestInvalid, Problem, UnitFailed
from devenv.events import Done, Event, Failed, Note, Planned, Progress, Skipped, Started
from devenv.plan.model import Observed, ObservedUnit, Op, Plan, Step
from devenv.plan.planner import Intent, Situation, plan_restart, plan_up
from devenv.stack.model import Port, Stack
from tests.table import each_row

from .stacks import fingerprints, stack

SHOP = """
    name: shop
    services:
      web: {build: ./web, port: 3000, uses: [orders], route: /}
      orders: {image: orders:1, port: 8000, uses: [valkey, migrate]}
      worker: {image: worker:1, uses: [orders]}
    jobs:
      migrate: {image: migrate:1, uses: [valkey]}
"""


class Clock:
    """A clock that stands until it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def console(**how: Any) -> Console:
    return Console(io.StringIO(), io.StringIO(), **how)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output(console: Console) -> str:
    assert isinstance(console.err, io.StringIO)
    return console.err.getvalue()


def expect(text: str) -> str:
    return dedent(text).removeprefix("\n")


def lines(text: str) -> list[str]:
    return expect(text).splitlines()


def shop() -> tuple[Stack, Plan]:
    app = stack(SHOP, builds={("./web", "Dockerfile"): "1"})
    return app, plan_up(app, Situation("fake", Observed(), fingerprints(app)), Intent())


def run(app: Stack, plan: Plan, *, failing: str = "", clock: Clock | None = None) -> Iterable[Event]:
    """The events of a run in which every step takes two seconds."""
    yield Planned(
        app,
        plan,
        "compose",
        "Docker 28.5",
        "",
        tuple(u.name for u in app.units),
    )
    left: set[int] = set()
    for step in plan:
        if left & set(step.after):
            left.add(step.number)
            yield Skipped(step)
            continue
        yield Started(step)
        if clock is not None:
            clock.now += 2
        if step.op is Op.WAIT and step.target == failing:
            left.add(step.number)
            card = Card(
                failing, "ended with exit 1", ("orders", "web"), (("command", "alembic upgrade head"),)
            )
            yield Failed(step, UnitFailed(card))
        else:
            yield Done(step, 2.0, checked=step.op is Op.WAIT and app.unit(step.target).probe is not None)


def shown(events: Iterable[Event], clock: Clock | None = None, **how: Any) -> str:
    """What a run looks like without a terminal."""
    out = console(**how)
    report = Lines(out, clock or Clock())
    for event in events:
        report(event)
    return output(out)


def test_a_whole_run_is_a_line_whenever_a_unit_gets_somewhere() -> None:
    clock = Clock()
    assert shown(run(*shop(), clock=clock), clock) == expect(
        """
        shop on compose (Docker 28.5)   plan: 5 to pull, 1 to build, 6 to start
          valkey   pulling
          kong     pulling
          migrate  pulling
          orders   pulling
          worker   pulling
          web      building
          web      built 2.0 s
          valkey   starting
          valkey   healthy  4.0 s  localhost:6379
          kong     starting
          kong     healthy  4.0 s  http://localhost:8000   manager http://localhost:8002
          migrate  starting
          migrate  done  4.0 s
          orders   starting
          orders   healthy  4.0 s  http://localhost:31910
          web      starting
          web      healthy  4.0 s  http://localhost:3000   /
          worker   starting
          worker   running  4.0 s
        """
    )


def test_a_failure_is_said_where_it_happens_and_what_waits_is_not_started() -> None:
    text = shown(run(*shop(), failing="migrate")).splitlines()
    assert text[text.index("  migrate  starting") :] == lines(
        """
          migrate  starting
          migrate  failed  0.0 s
        x migrate ended with exit 1 - orders and web wait for it
          command   alembic upgrade head
          orders   not started
          web      not started
          worker   not started
        """
    )


def test_quiet_says_nothing_but_errors_and_verbose_says_every_line() -> None:
    app, plan = shop()
    assert shown(run(app, plan), quiet=True) == ""
    assert shown(run(app, plan, failing="migrate"), quiet=True).startswith("x migrate ended with exit 1")
    build = plan.of(Op.BUILD)[0]
    events = [*run(app, Plan()), Progress(build, "#5 RUN npm ci")]
    assert "npm ci" not in shown(events)
    assert "  web      #5 RUN npm ci\n" in shown(events, verbose=True)


def test_a_long_wait_shows_what_the_unit_printed_last_ever_more_rarely_and_masked() -> None:
    clock, (app, plan) = Clock(), shop()
    wait = next(step for step in plan.of(Op.WAIT) if step.target == "orders")
    out = console()
    out.hide(["hunter22"])
    report = Lines(out, clock)
    planned, *_ = run(app, plan)
    report(planned)
    report(Started(wait))
    for passed in range(3, 30):
        clock.now += 3 if passed == 3 else 1
        report(Progress(wait, f"\x1b[31mtry {passed} with hunter22"))
    assert output(out).splitlines()[1:] == [
        "  orders   starting",
        "  orders   starting  3.0 s  try 3 with ******",
        "  orders   starting  8.0 s  try 8 with ******",
        "  orders   starting  16.0 s  try 16 with ******",
    ]


def test_a_line_beside_a_unit_is_cut_where_the_terminal_ends() -> None:
    clock, (app, plan) = Clock(), shop()
    wait = next(step for step in plan.of(Op.WAIT) if step.target == "orders")
    live = Live(replace(console(), width=60), clock)
    planned, *_ = run(app, plan)
    for event in (planned, Started(wait), Progress(wait, "word " * 40)):
        live(event)
    orders = next(line for line in live.lines() if "orders" in line)
    assert (len(orders), orders[-1]) == (60, "…")
    live.close()


def test_what_is_up_already_is_not_mentioned_and_a_restart_is() -> None:
    app, _ = shop()
    assert shown(run(app, plan_restart(app, [ObservedUnit("orders", "id-orders", "running")]))) == expect(
        """
        shop on compose (Docker 28.5)   plan: 1 to restart
          orders   restarting
          orders   starting
          orders   healthy  0.0 s  http://localhost:31910
        """
    )


def test_what_is_sent_to_a_running_unit_is_shown_and_a_start_is_not_interrupted_by_it() -> None:
    app, _ = shop()
    sync = Plan((Step(1, Op.SYNC, "orders", "orders/main.py"),))
    assert shown(run(app, sync)) == expect(
        """
        shop on compose (Docker 28.5)   plan: 1 to sync
          orders   syncing
          orders   synced  0.0 s  http://localhost:31910
        """
    )
    start = (Step(1, Op.APPLY, "orders"), Step(2, Op.SYNC, "orders"), Step(3, Op.WAIT, "orders"))
    assert "sync" not in shown(run(app, Plan(start))).partition("\n")[2]


def test_a_report_of_what_was_sent_alone_has_no_unit_that_was_not_started() -> None:
    app, _ = shop()
    board = Board(Clock())
    for event in run(app, Plan((Step(1, Op.SYNC, "orders", "orders/main.py"),))):
        board.see(event)
    assert 'skipped="0"' in junit("shop", board.rows.values(), ())


def test_waiting_alone_is_a_plan_too() -> None:
    app, plan = shop()
    (first, *_) = plan.of(Op.WAIT)
    text = shown(run(app, Plan((first,))))
    assert text.splitlines()[0].endswith("plan: wait until healthy")


def test_a_note_stands_between_the_lines() -> None:
    assert shown([Note("8080 is taken by nginx")]) == "note  8080 is taken by nginx\n"


def test_the_table_shows_what_is_going_on_and_keeps_what_is_settled() -> None:
    clock, (app, plan) = Clock(), shop()
    (build,) = plan.of(Op.BUILD)
    live = Live(console(), clock)
    events = iter(run(app, plan, clock=clock))
    for event in events:
        live(event)
        if event == Started(build):
            break
    live(Progress(build, "#5 RUN npm ci"))
    clock.now += 1
    assert live.lines() == lines(
        """
          valkey   9.1.1  waiting          localhost:6379
          kong     3.9.3  waiting          http://localhost:8000   manager http://localhost:8002
          migrate         waiting
        ⠋ web             building  1.0 s  #5 RUN npm ci
          orders          waiting          http://localhost:31910
          worker          waiting
        """
    )
    for event in events:
        live(event)
    clock.now += 1000
    assert live.lines() == [
        "  valkey   9.1.1        healthy  4.0 s  localhost:6379",
        "  kong     3.9.3        healthy  4.0 s  http://localhost:8000   manager http://localhost:8002",
        "  migrate               done     4.0 s",
        "  web      built 2.0 s  healthy  4.0 s  http://localhost:3000   /",
        "  orders                healthy  4.0 s  http://localhost:31910",
        "  worker                running  4.0 s",
    ]


def test_a_narrow_terminal_cuts_lines_and_never_wraps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    live = Live(console(), Clock())
    with closing(live):
        for event in run(*shop()):
            live(event)
    rows = output(live.console).splitlines()[-len(live.board.rows) :]
    assert [line.split()[0] for line in rows] == list(live.board.rows)
    assert max(map(len, rows)) == 40


def test_a_narrow_terminal_shows_each_address_whole_on_a_line_of_its_own() -> None:
    live = Live(console(width=60), Clock())
    for event in run(*shop()):
        live(event)
    assert live.lines()[1:4] == [
        "  kong     3.9.3        healthy  0.0 s",
        "                               http://localhost:8000",
        "                               manager http://localhost:8002",
    ]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (0, ["web       http://a.example   /one   /two"]),
        (30, ["web       http://a.example", "          /one   /two"]),
        (24, ["web", "        http://a.example", "        /one   /two"]),
        (20, ["web", "    http://a.example", "    /one   /two"]),
        (8, ["web", "    http://a.example", "    /one", "    /two"]),
    ],
)
def test_parts_of_a_last_cell_fill_lines_as_the_width_allows(width: int, shown: list[str]) -> None:
    rows = [["web", "http://a.example   /one   /two"], ["orders  ", ""]]
    assert console().table(rows, width=width)[:-1] == shown


def test_rows_that_take_more_lines_go_on_in_one_column() -> None:
    rows = [["web", "up", "http://a.example/long   /one"], ["api-server", "up", "http://b.example   /two"]]
    assert console().table(rows, width=36) == [
        "web         up",
        "               http://a.example/long",
        "               /one",
        "api-server  up",
        "               http://b.example",
        "               /two",
    ]


def test_a_sentence_is_folded_beside_its_row_and_below_what_would_leave_it_no_room() -> None:
    text = "COPY . . is the last step of the build"
    assert console().table([["api", "restart", text]], width=45) == [
        "api  restart  COPY . . is the last step of",
        "              the build",
    ]
    assert console().table([["a/file/with/a/long/name", "restart", text]], width=54) == [
        "a/file/with/a/long/name  restart",
        "                         COPY . . is the last step of",
        "                         the build",
    ]


def test_a_narrow_terminal_folds_a_card_in_its_column_but_nothing_that_is_to_be_typed() -> None:
    narrow = console(width=40)
    card = Card(
        "web",
        "ended",
        facts=(("probe", "GET /healthz on port 8000 of the container"),),
        output=("a line that is longer than the terminal",),
        hint="devenv logs web --since 10m and then some more",
    )
    narrow.error(UnitFailed(card))
    assert output(narrow) == expect(
        """
        x web ended
          probe     GET /healthz on port 8000 of
                    the container
          output    a line that is longer than
                    the terminal
          try       devenv logs web --since 10m and then some more
        """
    )


def test_results_have_colours_in_a_terminal_only() -> None:
    for out, shown in ((io.StringIO(), "web"), (Terminal(), "\x1b[1mweb\x1b[0m")):
        coloured = Console(out, Terminal(), colour=True)
        coloured.print(coloured.style("web", "bold"))
        assert out.getvalue() == f"{shown}\n"


def test_lines_of_logs_keep_their_own_colours_in_a_pipe() -> None:
    out, red = io.StringIO(), "\x1b[31mred\x1b[0m"
    units = [ObservedUnit(name, "1", "running") for name in ("web", "api")]
    print_lines(Console(out, Terminal(), colour=True), [[LogLine("web", red)]], units)
    assert out.getvalue() == f"web | {red}\n"


def test_colours_take_no_room_where_a_line_is_folded() -> None:
    coloured = console(colour=True)
    text = f"{coloured.style('emulated', 'yellow')}: chart, swarm in two words"
    assert list(map(plain, folded(text, 22))) == ["emulated: chart, swarm", "in two words"]


def test_columns_that_a_narrow_terminal_has_no_room_for_become_parts_of_the_last() -> None:
    row = ["postgres", "postgres 18.6 (stand-in)", "healthy", "localhost:31883"]
    assert console().table([row], width=40) == [
        "postgres  postgres 18.6 (stand-in)",
        "                         healthy",
        "                         localhost:31883",
    ]


def test_a_check_is_folded_beside_its_name_and_below_one_that_leaves_it_no_room() -> None:
    limits = Verdict("inotify", Level.PASS, "fs.inotify.max_user_watches is 192536, and more")
    clock = Verdict("registries", Level.PASS, "it is right")

    def shown(width: int) -> list[str]:
        return list(check_lines(Console(Terminal(), io.StringIO(), width=width), [limits, clock]))

    assert shown(50) == [
        "pass  inotify     fs.inotify.max_user_watches is",
        "                  192536, and more",
        "pass  registries  it is right",
    ]
    assert shown(40) == [
        "pass  inotify",
        "      fs.inotify.max_user_watches is",
        "      192536, and more",
        "pass  registries  it is right",
    ]


def test_a_problem_is_folded_between_words() -> None:
    narrow = console(width=40)
    where = Problem(4, 5, "services.api.prot", "unknown key", 'did you mean "port"?', "devenv.yaml")
    narrow.error(ManifestInvalid([where]))
    assert output(narrow) == expect(
        """
        devenv.yaml:4:5: services.api.prot:
          unknown key - did you mean "port"?
        1 problem; nothing was changed
        """
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is full here")
def test_logs_that_a_full_disk_does_not_take_are_no_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "web.log").symlink_to("/dev/full")
    backend = SimpleNamespace(logs=lambda *_, **__: [[LogLine("web", "tea" * 9999)]])
    with pytest.raises(OSError, match="No space left"):
        save_logs(console(), cast("Backend", backend), [ObservedUnit("web", "1", "running")], tmp_path)


def test_what_follows_on_a_line_that_is_folded_stands_behind_an_indent() -> None:
    step = str(Step(12, Op.APPLY, "orders", "services.orders.env changed", (3, 10)))
    assert list(hanging(step, 0, "    ")) == [step]
    assert list(hanging(step, 40, "    ")) == [
        "[3,10] -> #12 apply orders",
        "    (services.orders.env changed)",
    ]


def test_what_is_to_be_typed_stays_in_one_piece_and_words_about_it_are_folded() -> None:
    narrow = console(width=44)
    typed = "kubectl --context gke -n shop delete pvc data-0"
    prose = "is the name right? For a private registry: docker login registry.example.com"
    lines = (
        prose,
        f"{typed}   removes the data, where that may go",
        "environments: {staging: {context: gke, namespace: a}}",
    )
    narrow.error(DevenvError("no", hint="\n".join(lines)))
    assert output(narrow) == expect(
        f"""
        error  no
          try   is the name right? For a private
                registry:
                docker login registry.example.com
                {typed}
                  removes the data, where that may
                  go
                {lines[2]}
        """
    )


def test_a_note_is_folded_beside_its_label() -> None:
    narrow = console(width=40)
    narrow.note("8089 is taken by python3 (pid 15771): front is on 24879")
    assert output(narrow) == expect(
        """
        note  8089 is taken by python3 (pid
              15771): front is on 24879
        """
    )


def test_a_step_of_onboard_breaks_between_words() -> None:
    said = console(width=62).labelled(
        "secrets", "GUESTBOOK_KEY   from your own head; whoever has it may call /api"
    )
    assert said == expect(
        """
        secrets  GUESTBOOK_KEY   from your own head; whoever has it
                 may call /api
        """
    ).rstrip("\n")


def test_what_down_says_breaks_between_words() -> None:
    narrow = console(width=20)
    narrow.sentence("stopping api, kong, postgres, web")
    assert output(narrow) == "stopping api, kong,\npostgres, web\n"


def test_an_unchanged_job_is_done_and_not_up() -> None:
    app = stack("name: shop\njobs:\n  seed: {image: seed:1}\n")
    assert cells(console(), Row(app.unit("seed"), "unchanged"), now=0)[2] == "done"


def test_a_headline_that_does_not_fit_has_a_line_for_the_plan() -> None:
    app, plan = shop()
    event = next(iter(run(app, plan)))
    assert isinstance(event, Planned)
    assert headline(console(width=60), event).splitlines() == [
        "shop on compose (Docker 28.5)",
        "  plan: 5 to pull, 1 to build, 6 to start",
    ]
    assert headline(console(width=24), event).splitlines() == [
        "shop on compose",
        "  (Docker 28.5)",
        "  plan: 5 to pull, 1 to build, 6 to start",
    ]
    assert "\n" not in headline(console(width=120), event)
    assert "\n" not in headline(console(), event)


def test_whose_image_could_not_be_built_has_failed_and_who_waits_for_it_was_not_started() -> None:
    app, plan = shop()
    (build,) = plan.of(Op.BUILD)
    board = Board(Clock())
    skipped = [Skipped(step) for step in plan.of(Op.APPLY) if step.target in ("web", "worker")]
    for event in [next(iter(run(app, plan))), Started(build), Failed(build, DevenvError("no")), *skipped]:
        board.see(event)
    assert (board.rows["web"].phase, board.rows["worker"].phase) == ("failed", "skipped")


def test_a_board_remembers_what_was_removed_and_how_long_a_build_took() -> None:
    app, plan = shop()
    board = Board(Clock())
    for event in run(app, plan):
        board.see(event)
    assert board.rows["web"].built == 2.0
    assert cells(console(), board.rows["web"], now=0)[1] == "built 2.0 s"
    assert all(row.settled for row in board.rows.values())


def test_addresses_are_what_can_be_clicked_then_the_paths_of_the_gateway() -> None:
    app, _ = shop()
    assert {unit.name: addresses(unit) for unit in app.units if addresses(unit)} == {
        "kong": "http://localhost:8000   manager http://localhost:8002",
        "valkey": "localhost:6379",
        "web": "http://localhost:3000   /",
        "orders": f"http://localhost:{app.unit('orders').ports[0].host}",
    }


def test_the_address_of_a_store_is_its_first_port_that_this_machine_has() -> None:
    kafka = replace(shop()[0].unit("valkey"), ports=(Port("kafka", 9092), Port("outside", 9094, host=9092)))
    assert addresses(kafka) == "localhost:9092"


ERRORS = {
    "an error with all its parts": (
        DevenvError(
            "port 80 is taken",
            where="devenv.yaml:3",
            why="checked first\nnothing was changed",
            hint="stop it",
        ),
        """
        error  port 80 is taken
          where devenv.yaml:3
          why   checked first
                nothing was changed
          try   stop it
        """,
    ),
    "an error that says it all": (DevenvError("no such thing"), "error  no such thing\n"),
    "problems, in the order of the file": (
        ManifestInvalid(
            [
                Problem(14, 5, "a.b", "no kind", "did you mean x?", "d.yaml"),
                Problem(2, 1, "c", "is missing", "", "d.yaml"),
            ]
        ),
        """
        d.yaml:2:1: c: is missing
        d.yaml:14:5: a.b: no kind - did you mean x?
        2 problems; nothing was changed
        """,
    ),
    "a card of a very long command": (
        UnitFailed(Card("web", "ended", facts=(("command", "a" * 400 + "\nb\nc\nd\ne"),))),
        f"""
        x web ended
          command   {"a" * 300}...
                    b
                    c
                    ... 2 more lines
        """,
    ),
    "a card": (
        UnitFailed(
            Card(
                "migrate",
                "failed (exit 1)",
                ("orders", "web", "worker", "invoices", "mails"),
                (("command", "alembic upgrade head"), ("likely", "the password")),
                ("FATAL:  \x1b[31mno database\x1b[0m", "bell\x07 and \x1b]0;title\x07 are not for us"),
                "devenv logs migrate",
            )
        ),
        """
        x migrate failed (exit 1) - orders, web, worker and 2 more wait for it
          command   alembic upgrade head
          likely    the password
          output    FATAL:  no database
                    bell and  are not for us
          try       devenv logs migrate
        """,
    ),
    "a card for which one waits": (UnitFailed(Card("a", "died", ("b",))), "x a died - b waits for it\n"),
    "a card for which nobody waits": (UnitFailed(Card("a", "died")), "x a died\n"),
}


@each_row(ERRORS.values())
def test_errors_say_what_where_why_and_what_to_type(error: DevenvError, text: str) -> None:
    out = console()
    out.error(error)
    assert output(out) == expect(text)


def test_colours_change_nothing_but_the_colour() -> None:
    grey, bright = console(), console(colour=True)
    for error, _ in ERRORS.values():
        grey.error(error)
        bright.error(error)
    assert "\x1b[" in output(bright)
    assert plain(output(bright)) == output(grey)


SECRETS = {
    "itself": "hunter2-hunter2",
    "a quote": 'pa"ss\\word',
    "a URL's characters": "p@ss/w:rd?",
    "lines": "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----",
    "letters of the world": "pässwörd",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_masked_in_every_form_in_which_programs_print_it(secret: str) -> None:
    from urllib.parse import quote

    out = console()
    out.hide([secret])
    for text in (
        secret,
        f"url=x://a:{quote(secret, safe='')}@b",
        json.dumps({"key": secret}),
        *secret.splitlines(),
    ):
        out.say(text)
    out.json({"key": secret})
    out.error(DevenvError(f"bad {secret}", why=secret, hint=secret))
    assert isinstance(out.out, io.StringIO)
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *secret.splitlines()):
        assert form not in output(out) + out.out.getvalue()
    assert json.loads(out.out.getvalue()) == {"key": "******"}


def test_of_two_secrets_the_one_that_holds_the_other_is_masked_whole() -> None:
    out = console()
    out.hide(["sesame"])
    out.hide(["sesame-open", "", "ab"])
    assert out.masked("say sesame-open, sesame or ab") == "say ******, ****** or ab"


def test_a_table_has_straight_columns_whatever_their_colour_and_no_empty_ones() -> None:
    out = console(colour=True)
    rows = [[out.style("a", "red"), "", "1"], ["long", "", "2"], ["b", "", ""]]
    assert [plain(line) for line in out.table(rows)] == ["a     1", "long  2", "b"]
    assert out.table([]) == []


def test_log_lines_begin_with_who_said_them_always_in_the_same_colour() -> None:
    out, names = console(colour=True), ["web", "orders"]
    assert [plain(out.prefix(name, names)) for name in names] == ["web    |", "orders |"]
    assert out.prefix("web", names) == out.prefix("web", [*reversed(names)]) != out.prefix("orders", names)


ENVIRONMENTS = [({}, True), ({"NO_COLOR": "1"}, True), ({"CI": "true"}, False), ({"TERM": "dumb"}, False)]


@pytest.mark.parametrize(("environment", "live"), ENVIRONMENTS)
def test_a_table_is_for_terminals_and_colours_for_those_who_want_them(
    environment: dict[str, str], live: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with redirect_stderr(Terminal()):
        console = Console.of(environment, colour=True, quiet=False, verbose=False)
        assert (console.live, console.colour) == (live, live and "NO_COLOR" not in environment)
        assert not Console.of(environment, colour=True, quiet=True, verbose=False).live
    with redirect_stderr(io.StringIO()):
        assert not Console.of(environment, colour=True, quiet=False, verbose=False).live


def test_a_unit_without_a_check_is_running_and_one_whose_image_brings_one_is_healthy() -> None:
    app = stack("name: a\nservices: {plain: {image: x}, checked: {image: y}}")
    plan = plan_up(app, Situation("compose", Observed(), fingerprints(app)), Intent())

    def events() -> Iterator[Event]:
        yield Planned(app, plan, "compose", "", "", ("plain", "checked"))
        for step in plan:
            yield Started(step)
            yield Done(step, 1.0, checked=step.target == "checked")

    lines = [line.split() for line in shown(events()).splitlines()]
    assert ["plain", "running"] in [line[:2] for line in lines]
    assert ["checked", "healthy"] in [line[:2] for line in lines]


@pytest.mark.parametrize(
    ("encoding", "written"), [("utf-8", b"caf\xe9 \xe2\x80\xa6"), ("ascii", b"caf\\udce9 \\u2026")]
)
def test_a_name_that_is_no_text_is_printed_all_the_same(encoding: str, written: bytes) -> None:
    """A changed file called so in Latin-1, in a terminal of UTF-8: `plan` names it as a cause."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding, errors="strict", write_through=True) as stream:
        take_any_text(stream)
        Console(stream, stream).print(f"{os.fsdecode(b'caf' + bytes([0xE9]))} …")
        assert raw.getvalue() == written + b"\n"
