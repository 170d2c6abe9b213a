#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""array-fault.py FILE COMMAND... - speaks for an array as COMMAND does, but for the call that FILE names, and as it says

FILE has a line "CALL FAULT": hang (no answer), die, garbage, huge (a length), deep (JSON), full (no space), empty,
lie (an answer of the right form with names and identities that are traps), or run (the program FILE.program runs before
the array gets the call). What was done is appended to FILE.done.
"""
import json
import struct
import subprocess
import sys
import time

TRAPS = {
    "hello": {"version": 1, "array": "../../etc", "host": "-x"},
    "copies": {"copies": [{"id": "../../../etc", "set": "x"}, 7, {"id": "", "set": []}]},
    "luns": {"luns": [{"name": "../../../etc/passwd", "size": -1}, "data", {"name": "data\n"}]},
    "take": {"copy": {"id": "00000000-0000-4000-8000-000000000000", "set": "../x"}},
}


def read(stream):
    head = stream.read(4)
    if len(head) < 4:
        sys.exit(0)
    return json.loads(stream.read(struct.unpack("<I", head)[0]))


def write(stream, message):
    text = json.dumps(message).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    stream.flush()


def fault(kind, call, out):
    if kind == "hang":
        time.sleep(60)
    elif kind == "garbage":
        out.write(struct.pack("<I", 8) + b"no json!")
    elif kind == "huge":
        out.write(struct.pack("<I", 0xFFFFFFF0) + b"x" * 4096)
    elif kind == "deep":
        text = b"[" * 100000
        out.write(struct.pack("<I", len(text)) + text)
    elif kind == "full":
        write(out, {"error": "the array is full: LUN data could not be copied", "errno": 28})
    elif kind == "empty":
        write(out, {})
    elif kind == "lie":
        write(out, TRAPS.get(call, {}))
    out.flush()
    if kind != "full" and kind != "empty" and kind != "lie":
        sys.exit(1)


def main():
    path, command = sys.argv[1], sys.argv[2:]
    real = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    while True:
        request = read(sys.stdin.buffer)
        try:
            with open(path, encoding="utf-8") as file:
                wanted, kind = file.read().split()
        except (OSError, ValueError):
            wanted = kind = None
        if request["call"] == wanted:
            with open(path + ".done", "a", encoding="utf-8") as file:
                file.write(f"{wanted} {kind}\n")
            if kind != "run":
                fault(kind, wanted, sys.stdout.buffer)
                continue
            subprocess.run([path + ".program"], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        write(real.stdin, request)
        write(sys.stdout.buffer, read(real.stdout))


main()
