"""A worker of the lock benchmarks with the lock of redis-py: it obeys the orders of ../src/lock/worker.rs.

One order more: `cycles N` acquires and releases N times, and answers with the time of each.
"""

import sys
import time

import redis


def now():
    # The clock that all processes of a machine share.
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def cycle(lock):
    began = now()
    lock.acquire()
    lock.release()
    return now() - began


url, name = sys.argv[1:]
lock = redis.Redis.from_url(url).lock(name, timeout=30)
lock.locked()
released = 0
print("ready", flush=True)
for order in iter(sys.stdin.readline, ""):
    order = order.split()
    if order == ["acquire"]:
        lock.acquire()
        print("acquired", now(), flush=True)
    elif order == ["release"]:
        released = now()
        lock.release()
    elif order == ["report"]:
        print("released", released, flush=True)
    elif order[0] == "cycles":
        print("cycles", *(cycle(lock) for _ in range(int(order[1]))), flush=True)
    else:
        sys.exit(f"{order} is no order")
