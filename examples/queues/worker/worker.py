"""Does the jobs of every queue."""

import asyncio
from functools import partial

import cache
from queues import TAKE


async def do(queue, job):
    print(f"{queue}: {job.decode()}")
    await cache.note(queue, job, "done by worker")


async def main():
    await asyncio.gather(*(take(partial(do, queue)) for queue, take in TAKE.items()))


asyncio.run(main())
