#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# repository-damage VSS REPOSITORY SOURCE FULL
#
# Damages each file of a repository (bytes that are flipped, cut off, nothing in it, missing; files that are too many)
# and sees each time that verify finds it and names the file, and that restore gives back just what it does not name as
# lost. Of bytes a sample, with FULL=1 each one. restic looks at a part of them, too.
import json
import os
import random
import shutil
import subprocess
import sys

vss, repository, source, full = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == '1'
rng = random.Random(int(os.environ.get('SEED', '1')))
failures = 0
cases = 0


def complain(what, *more):
    global failures
    failures += 1
    print('#', what, *more)


def run(*words):
    r = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return r.returncode, r.stdout.decode(errors='replace'), r.stderr.decode(errors='replace')


def contents(top):
    found = {}
    for directory, dirs, files in os.walk(top):
        found[os.path.relpath(directory, top)] = None
        for name in files:
            with open(os.path.join(directory, name), 'rb') as f:
                found[os.path.relpath(os.path.join(directory, name), top)] = f.read()
    return found


def restored():
    """Exit status, what is at its place, and what was named as lost, relative to the source."""
    shutil.rmtree('damaged', ignore_errors=True)
    status, out, err = run(vss, 'restore', 'latest', '--repository', repository, '--target', 'damaged', '--json')
    lost = []
    if status in (0, 3):
        # The answer is the last document.
        answer = json.loads(out.strip().splitlines()[-1]) if out.strip().startswith('{"type":"status"') else json.loads(out)
        lost = [os.path.relpath(entry['path'], source) for entry in answer['failed']]
    top = 'damaged' + source
    return status, contents(top) if os.path.isdir(top) else {}, lost, err


def below(path, lost):
    return any(path == l or path.startswith(l + '/') or l == '.' or l.startswith('..') for l in lost)


def check(label, path, may_fail, ask_restic, clean=False):
    """Damage is done: does everybody see it for what it is?"""
    global cases
    cases += 1
    status, out, err = run(vss, 'verify', '--repository', repository, '--read-data')
    if status != (0 if clean else 1):
        complain(label, 'verify ended with', status, err[:300])
    elif not clean and os.path.basename(path) not in err and os.path.dirname(os.path.relpath(path, repository)) not in err:
        complain(label, 'verify does not name the file:', err[:300])
    status, there, lost, err = restored()
    if status == 1:
        if not may_fail and 'Nothing of this point can be restored' not in err:
            complain(label, 'restore ended with 1:', err[:300])
        elif not err.strip():
            complain(label, 'restore says nothing')
    elif status not in (0, 3) or (status == 0 and lost) or (status == 3 and not lost):
        complain(label, 'restore ended with', status, 'and lost', lost, err[:300])
    else:
        wrong = [p for p in whole if not below(p, lost) and there.get(p, 'gone') != whole[p]]
        ghosts = [p for p in there if p not in whole or (whole[p] is not None and there[p] != whole[p])]
        if wrong or ghosts:
            complain(label, 'lost and not named:', wrong, 'restored and wrong:', ghosts, 'named:', lost)
    if ask_restic:
        # What cannot be read it tries again for minutes, and does without having found anything.
        words = ['restic', '--no-cache', '--quiet', '-r', repository, 'check']
        status, out, err = run(*words, *(['--read-data'] if ask_restic == 'all' else []))
        if (status == 0) != clean:
            complain(label, 'restic check ended with', status, err[:300])


def files():
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(repository) for f in fs)


def kind_of(path):
    return os.path.relpath(path, repository).split('/')[0]


def with_content(path, content, *args, **options):
    with open(path, 'rb') as f:
        before = f.read()
    mode = os.stat(path).st_mode
    os.chmod(path, 0o600)
    with open(path, 'wb') as f:
        f.write(content(before))
    check(*args, **options)
    with open(path, 'wb') as f:
        f.write(before)
    os.chmod(path, mode)


# What must be there for anything at all; a key has things in it that opening does not need.
vital = ('config', 'keys', 'snapshots')


def flip(path, i):
    bit = 1 << rng.randrange(8)
    # In a key nothing but the key itself is sealed, and restic does not compare its name with what is in it.
    asked = rng.random() < (0.02 if full else 0.2) and kind_of(path) != 'keys'
    with_content(path, lambda b: b[:i] + bytes([b[i] ^ bit]) + b[i + 1:], 'byte %d of %s' % (i, path), path,
                 kind_of(path) in vital, asked and 'all')


def damage_each(path):
    """All that can be done to a file; of that one thing, if it is a sample."""
    may_fail = kind_of(path) in vital
    size = os.path.getsize(path)
    contents = [('nothing in', lambda b: b''), ('cut off:', lambda b: b[:rng.randrange(1, size)]),
                ('one byte more:', lambda b: b + b'x'), ('zeros:', lambda b: bytes(size))]
    for what, content in contents if full else [rng.choice(contents)]:
        # Zeros have the right size.
        with_content(path, content, what + ' ' + path, path, may_fail,
                     full and ('all' if what == 'zeros:' else 'sizes'))
    if not full and kind_of(path) not in ('data', 'index'):
        return
    os.rename(path, 'away')
    # A point that is not there is not known to have been.
    check('missing: ' + path, path, may_fail, kind_of(path) == 'data' and 'sizes', clean=kind_of(path) == 'snapshots')
    os.rename('away', path)


def too_many():
    name = '%064x' % rng.getrandbits(256)
    places = [('index', False), ('snapshots', False), ('keys', False), ('data/' + name[:2], True)]
    for directory, clean in places if full else [rng.choice(places)]:
        path = os.path.join(repository, directory, name)
        with open(path, 'wb') as f:
            f.write(b'what is not ours')
        notes = os.path.join(repository, directory, 'README')
        with open(notes, 'wb') as f:
            f.write(b'somebody keeps notes here')
        check('too many: ' + path, path, False, False, clean=clean)
        os.unlink(path)
        os.unlink(notes)


whole = contents(source)
check('undamaged', '', False, 'all', clean=True)
if failures:
    sys.exit('the repository is damaged to begin with')
all_files = files()
places = [(f, i) for f in all_files for i in range(os.path.getsize(f))]
if not full:
    places = [(f, rng.randrange(os.path.getsize(f))) for f in all_files] + rng.sample(places, 2)
for path, i in places:
    flip(path, i)
for path in all_files:
    damage_each(path)
too_many()
check('all put back', '', False, 'all', clean=True)
print(failures, 'failures in', cases, 'cases')
sys.exit(failures > 0)
