#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# repository-names make DIRECTORY [root]   files with every name and of every kind that a file system can have
# repository-names compare A B             every difference of two directories, and 1 if there is one
import hashlib
import os
import random
import stat
import sys


def make(top, root):
    rng = random.Random(int(os.environ.get('SEED', '1')))
    os.makedirs(top + b'/names')
    for i in range(1, 256):
        if i != 0x2f:
            with open(top + b'/names/n' + bytes([i]), 'wb') as f:
                f.write(b'x' * i)
    for name in ['soft\u00ad', 'nbsp\u00a0', 'zero\u200b', 'line\u2028', 'wide\u3000', 'bom\ufeff', 'own\ue000', 'none\u0378',
                 '\U000f0000', 'smile\U0001f600', '\ufffd', 'a<b>&c', "q'`", 'back\\slash', '\\x41', '"q"', ' ', '...', 'ä' * 100]:
        with open(top + b'/names/' + name.encode(), 'wb') as f:
            f.write(name.encode())
    open(top + b'/names/\xed\xa0\x80', 'wb').close()
    os.makedirs(top + b'/deep/er/est')
    with open(top + b'/big', 'wb') as f:
        f.write(rng.randbytes(9 << 20) + bytes(3 << 20) + b'abc' * 400000 + rng.randbytes(100))
    os.link(top + b'/big', top + b'/deep/big too')
    with open(top + b'/holes', 'wb') as f:
        f.truncate(5 << 20)
        f.seek(2 << 20)
        f.write(b'middle')
    os.setxattr(top + b'/holes', 'user.empty', b'')
    os.setxattr(top + b'/holes', 'user.b<', b'\xff\0x')
    os.symlink('a<target>&\n', top + b'/link')
    os.symlink('x' * 500, top + b'/long link')
    os.mkfifo(top + b'/fifo')
    os.chmod(top + b'/deep', 0o2755)
    os.chmod(top + b'/deep/er', 0o1777)
    os.chmod(top + b'/names/nA', 0o4711)
    if root:
        os.mknod(top + b'/disk', 0o60600, os.makedev(7, 200))
        os.mknod(top + b'/null', 0o20666, os.makedev(1, 3))
        os.chown(top + b'/names/nB', 65534, 12345)
        os.chmod(top + b'/names/nB', 0o6755)
        os.setxattr(top + b'/names/nC', 'trusted.t', b'1')
    os.utime(top + b'/holes', ns=(1, 123456789000000100))
    os.utime(top + b'/fifo', ns=(1, 5))
    os.utime(top + b'/deep/er', ns=(1, 1000000000))


def look(top):
    found = {}
    for directory, dirs, files in os.walk(top):
        for name in dirs + files + [b'.']:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            kind = stat.S_IFMT(st.st_mode)
            facts = {'mode': oct(st.st_mode), 'owner': (st.st_uid, st.st_gid), 'mtime': st.st_mtime_ns, 'device': st.st_rdev}
            if kind != stat.S_IFDIR:
                facts['links'] = st.st_nlink
                facts['size'] = st.st_size
            if kind == stat.S_IFREG:
                with open(path, 'rb') as f:
                    facts['content'] = hashlib.sha256(f.read()).hexdigest()
            if kind == stat.S_IFLNK:
                facts['target'] = os.readlink(path)
            else:
                facts['attributes'] = {n: os.getxattr(path, n) for n in sorted(os.listxattr(path))}
            found[os.path.relpath(path, top)] = facts
    return found


def compare(a, b):
    a, b = look(a), look(b)
    for path in sorted(a.keys() | b.keys()):
        if path not in a or path not in b:
            print(path, 'is only in the', 'first' if path in a else 'second')
        elif a[path] != b[path]:
            print(path, {k: (a[path].get(k), b[path].get(k)) for k in a[path] if a[path].get(k) != b[path].get(k)})
    return a != b


if sys.argv[1] == 'make':
    make(os.fsencode(sys.argv[2]), len(sys.argv) > 3)
elif compare(os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3])):
    sys.exit(1)
