"""A relay stands in a unit's place and carries its connections to a program on this machine.

The container only waits. A process here starts `connections` in it through the backend's own stream, which
listens on the unit's ports and sends what arrives back over that stream. So it is the same on an engine and
on a cluster, here or far away, and a program that listens on 127.0.0.1 only is reached, too.
"""
