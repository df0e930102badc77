"""A service of another make: a gateway of the fleet, in Python, with Debian's redis and msgpack.

peer.py URL send N CHANNELS   writes N contract-true inbound messages
peer.py URL check N CHANNELS  reads the replies and compares them with what was written
"""
import json
import sys
import time

import msgpack
import redis

INBOUND, OUTBOUND = "sg:stream:inbound", "sg:stream:outbound:pytest"


def message(i, channels):
    channel = str(i % channels)
    return {
        "channel_key": "pytest:" + channel, "platform": "pytest", "channel_id": channel,
        "user_id": "u%d" % i, "username": "user", "display_name": None, "content": "message %d, \u00fcml\u00e4ut \U0001f600" % i,
        "message_id": "m%d" % i, "timestamp": time.time(), "attachments": [], "reply_to": None, "embeds": None,
        "room_name": None, "is_dm": i % 2 == 0, "guild_id": None, "member_roles": ["a", "b"],
        "trace_id": "trace-%d" % i, "enqueued_at": time.time(), "is_addressed": i % 3 != 0, "strangler_route": "",
        "user_aliases": [], "unified_user_id": None, "reactions": "",
        # Fields that the contract does not know, one of each type; the plugin hands them back.
        "x": {
            "i64": -2**63, "u64": 2**64 - 1, "small": i, "float": i + 0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308,
            "none": None, "yes": True, "bin": bytes(range(256)), "nested": {"deep": [1, 2.5, {"er": [b"\x00"]}]}, "empty": {},
        },
    }


def send(r, n, channels):
    pipe = r.pipeline(transaction=False)
    for i in range(n):
        m = message(i, channels)
        pipe.xadd(INBOUND, {"data": msgpack.packb(m), "ts": str(time.time()), "trace_id": m["trace_id"]})
    pipe.execute()


def check(r, n, channels):
    seen, keys = {}, set()
    for _, fields in r.xrange(OUTBOUND):
        assert set(fields) == {b"data", b"ts", b"trace_id"}, fields.keys()
        float(fields[b"ts"])
        reply = msgpack.unpackb(fields[b"data"])
        i = reply["x"]["small"]
        want = message(i, channels)
        assert i not in seen, "message %d was answered twice" % i
        assert reply["message_key"] not in keys, "message key %s is used twice" % reply["message_key"]
        keys.add(reply["message_key"])
        assert reply["platform"] == "pytest" and reply["type"] == "message", reply
        assert reply["channel_id"] == want["channel_id"] and reply["reply_to"] == want["message_id"], reply
        assert reply["text"] == want["content"], (reply["text"], want["content"])
        assert reply["trace_id"] == want["trace_id"] == fields[b"trace_id"].decode(), reply
        same(reply["x"], want["x"], "x")
        seen[i] = True
    pending = r.xpending(INBOUND, "sg:workers")["pending"]
    print(json.dumps({"answered": len(seen), "pending": pending}))
    assert len(seen) == n, "%d of %d were answered" % (len(seen), n)
    assert pending == 0, "%d are pending" % pending


def same(got, want, where):
    """Equal in value and type, which == alone does not say of 1, 1.0 and True."""
    assert type(got) is type(want), "%s: %r is not of the type of %r" % (where, got, want)
    if isinstance(want, dict):
        assert got.keys() == want.keys(), where
        for k in want:
            same(got[k], want[k], where + "." + k)
    elif isinstance(want, list):
        assert len(got) == len(want), where
        for i, (g, w) in enumerate(zip(got, want)):
            same(g, w, "%s[%d]" % (where, i))
    else:
        assert got == want, "%s: %r is not %r" % (where, got, want)


if __name__ == "__main__":
    url, verb, n, channels = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    {"send": send, "check": check}[verb](redis.Redis.from_url(url), n, channels)
