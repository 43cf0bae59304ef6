"""`make demo`: from a fresh clone to a guestbook with guests in it. Running it again takes seconds.

It runs in containers where an engine answers, else as plain processes, and installs nothing outside of the
project's folder.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

GUESTBOOK = Path(__file__).resolve().parent / "guestbook"
TOOL_MISSING = 3  # what devenv ends with where an engine is not what it needs


def devenv(*words: str) -> int:
    """Run a command of devenv in the guestbook's folder, and return its exit code."""
    return subprocess.run(["devenv", *words], cwd=GUESTBOOK).returncode


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def running() -> tuple[str, str]:
    """The backend, and the gateway's address, whatever port it got on this machine."""
    asked = subprocess.run(["devenv", "status", "--json"], cwd=GUESTBOOK, stdout=subprocess.PIPE)
    if asked.returncode:
        sys.exit(f"Not all of it runs any more. See: devenv status   in {GUESTBOOK}")
    status = json.loads(asked.stdout)
    ports = next(unit["ports"] for unit in status["units"] if unit["name"] == "kong")
    return status["backend"], f"http://localhost:{ports['proxy']}"


OTHER_WAYS = {
    "compose": "devenv plan -b process  the same as plain processes, without containers",
    "process": "devenv plan -b compose  the same in containers, where an engine is",
}


def get(url: str, key: str = "") -> tuple[int, str]:
    """Status and text of an answer; past any proxy, which cannot reach this machine's own ports."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"apikey": key} if key else {})
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


def check(url: str, key: str) -> None:
    """Ask for the page and for the API, as a guest and with the key. Ends the demo where an answer is wrong."""
    checks = [
        ("/", "", 200, "Sign the book"),
        ("/api/entries", "", 401, ""),
        ("/api/entries", key, 200, "Ida"),
    ]
    for path, header, status, text in checks:
        code, body = get(url + path, header)
        if code != status or text not in body:
            sys.exit(f"GET {path} answered with {code}, not as it should. See: devenv logs   in {GUESTBOOK}")
        print(f"  GET {path:<13} {code}  {'with the key' if header else 'as anybody'}")


def main() -> None:
    env = GUESTBOOK / ".env"
    if not env.exists():
        env.write_text(env.with_name(".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    key = next(
        line.partition("=")[2].strip("'\"")
        for line in env.read_text(encoding="utf-8").splitlines()
        if line.startswith("GUESTBOOK_KEY=")
    )

    say("devenv up -d      in examples/guestbook")
    print("two services, three stores, one gateway", flush=True)
    code = devenv("up", "-d")
    if code == TOOL_MISSING:
        say("devenv up -d -b process      without containers, then")
        code = devenv("up", "-d", "-b", "process")
    if code:
        sys.exit(code)

    say("devenv run seed")
    if code := devenv("run", "seed"):
        sys.exit(code)

    backend, url = running()
    say("through the gateway")
    check(url, key)

    here = os.path.relpath(GUESTBOOK, GUESTBOOK.parents[1])
    print(f"""
  the page   {url}/
  the API    curl -H 'apikey: {key}' {url}/api/entries
  try next   . .venv/bin/activate && cd {here}
    devenv                  what is there, and what it does
    devenv up               then edit web/page.html, save, and look again
    devenv logs -f api      watch it work
    devenv exec postgres psql -U app app
    devenv env api          reach the same stores from your editor
    {OTHER_WAYS[backend]}
    devenv down             ends it and keeps the data
""")


if __name__ == "__main__":
    main()
