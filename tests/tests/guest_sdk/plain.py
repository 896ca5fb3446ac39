"""A program that knows nothing of bellwether: it has json, zlib and a socket.

    plain.py PORT check    reads what a guest wrote, and fails where it is not what it should be
    plain.py PORT write    writes what a guest will read
"""

import json
import socket
import sys
import zlib


class Redis:
    """As much of RESP 2 as GET and SET need."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.replies = self.socket.makefile("rb")

    def command(self, *words):
        words = [word if isinstance(word, bytes) else word.encode() for word in words]
        head = b"*%d\r\n" % len(words)
        self.socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        line = self.replies.readline().rstrip(b"\r\n")
        if line[:1] == b"$":
            size = int(line[1:])
            return None if size < 0 else self.replies.read(size + 2)[:-2]
        assert line[:1] in b"+:", line
        return line[1:]


def order(note):
    items = [{"apple": -2, "smörgås 🥪": -(2**63)}, {}]
    return {"id": 2**64 - 1, "price": 0.1, "paid": True, "note": note, "items": items}


def check(redis):
    def read(key):
        return json.loads(zlib.decompress(redis.command("GET", f"cache:orders:{key}")))

    assert read("of the guest") == order('a "quoted" \0 \x1f'), read("of the guest")
    assert read("large") == [order(None)] * 2000
    assert read("small") is None
    assert redis.command("GET", "cache:orders:bytes") is None


def write(redis):
    def put(key, stored):
        assert redis.command("SET", f"cache:orders:{key}", stored) == b"OK"

    put("of python", zlib.compress(json.dumps(order("written by Python")).encode()))
    put("large", zlib.compress(json.dumps(list(range(100_000)), indent=1).encode(), 9))
    put("small", zlib.compress(b"null"))
    put("not zlib", b'{"a": 1}')
    put("not json", zlib.compress(b"\x80\x04K\x01."))
    put("not a number", zlib.compress(json.dumps(float("nan")).encode()))
    put("longer than it says", zlib.compress(b"null") + b"null")
    put("nothing", b"")


{"check": check, "write": write}[sys.argv[2]](Redis(int(sys.argv[1])))
