#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pool-fill.py POOL create|delete FROM TO - fills a thin pool's metadata, or empties it again

Sends the device POOL "create_thin N" (each takes a block of metadata) or "delete N", as "dmsetup message" would, but
without a process for each. Prints how many were taken; the first that is refused is the last.
"""
import fcntl
import struct
import sys

DM_TARGET_MSG = 0xC138FD0E
HEADER = 312


def message(control, pool, text):
    data = struct.pack("<Q", 0) + text.encode() + b"\0"
    size = HEADER + max(len(data), 512)
    head = struct.pack("<3I7IQ128s136s", 4, 0, 0, size, HEADER, 0, 0, 0, 0, 0, 0, pool.encode(), b"")
    fcntl.ioctl(control, DM_TARGET_MSG, bytearray((head + data).ljust(size, b"\0")))


def main():
    pool, what, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    verb = {"create": "create_thin", "delete": "delete"}[what]
    done = 0
    with open("/dev/mapper/control", "rb", buffering=0) as control:
        for number in range(first, last + 1):
            try:
                message(control, pool, f"{verb} {number}")
            except OSError as error:
                print(f"{verb} {number}: {error}", file=sys.stderr)
                break
            done += 1
    print(done)


main()
