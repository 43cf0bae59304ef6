"""Files and commands in a running container, over one stream that stays open.

A script of ours runs in the container (`templates/reload/agent.sh`). Each line that it reads calls a function
of it, and the bytes of a file follow. A file is written in a `.devenv` folder on the mount where it goes, and
renamed: a program that reads meanwhile sees the old file or the new one, whole.

What was sent is recorded in that folder, so that it lives and dies with the files. A line is
`DIGEST <tab> TARGET <tab> .`; the last of a target counts, and a line that was cut off does not.
"""

from devenv.backends.agent.changes import Sending, Sent
from devenv.backends.agent.client import Agent, Program, ReadOnly, supervised
from devenv.backends.agent.hello import Hello

__all__ = ["Agent", "Hello", "Program", "ReadOnly", "Sending", "Sent", "supervised"]
