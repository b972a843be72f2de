#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the peer can repair, check -r all repairs too, so that the peer finds
# nothing; and no repair changes what the guest could read before, or what is
# in snapshots.
. "$(dirname "$0")/../lib.sh"

requires python3
requires_oracle
export QEMU_IMG QEMU_IO

cat >judge.py <<'END'
import hashlib
import sys
exec(open(sys.argv[1]).read())

def contents(image, path):
    found = []
    for which in [[], ['-l', 'one'], ['-l', 'two']][:image.snapshots + 1]:
        code, text = run(QEMU_IMG, 'convert', '-U', '-O', 'raw', *which,
                         path, path + '.raw')
        found.append(None if code else hashlib.md5(
            open(path + '.raw', 'rb').read()).digest())
    return found

bad = n = 0
for image, kind, text, data, new in cases(sys.argv[3:], 2, 0.02):
    how = sys.argv[2]
    # The peer makes up what a broken snapshot table may have said; we do not.
    if kind == 'snapshot':
        continue
    a, b = 'a.%s.qcow2' % image.name, 'b.%s.qcow2' % image.name
    put(a, data)
    put(b, data)
    n += 1
    before = contents(image, b)
    run(QEMU_IMG, 'check', '-r', how, a)
    theirs = run(QEMU_IMG, 'check', a)[0]
    said = run(OURS, 'check', '-r', how, b)
    judged = run(QEMU_IMG, 'check', b)
    again = run(OURS, 'check', b)[0]
    wrong = []
    if judged[0] != again:
        wrong.append('peer says %d, we %d' % (judged[0], again))
    # A wrong L1 entry may make guest data look like a table: the peer
    # "repairs" it, we leave it alone.  Version 2 knows no zero clusters.
    if how == 'all' and theirs == 0 and judged[0] and \
            not kind.endswith('l1') and not image.name.startswith('v2'):
        wrong.append('not repaired')
    # Unless it is a table that the guest reads as data.
    if (new & MASK) // image.cluster not in image.meta:
        for x, y in zip(before, contents(image, b)):
            if x and x != y:
                wrong.append('contents changed')
    if wrong:
        bad += 1
        print(text, *wrong, said[1][:500], judged[1][:300], sep='\n    ')
print(n, 'images')
sys.exit(bad != 0)
END
python3 judge.py "$SRC/tests/interop/damage.inc" all \
    plain snap 2m rc1 rc8 data v2 >one 2>&1 &
python3 judge.py "$SRC/tests/interop/damage.inc" all \
    512 4k snap4k rc2 rc64 ext ext16k v2snap >two 2>&1 || rc=$?
wait $! || rc=$?
python3 judge.py "$SRC/tests/interop/damage.inc" leaks \
    plain ext snap4k >three 2>&1 || rc=$?
cat one two three
[ "${rc-0}" -eq 0 ] || fail "repairs are not what they should be"
