#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Our check and the peer's give the same exit code for images of every kind
# damaged in one place, and count the same where counting means something.
. "$(dirname "$0")/../lib.sh"

requires python3
requires_oracle
export QEMU_IMG QEMU_IO

cat >judge.py <<'END'
import sys
exec(open(sys.argv[1]).read())

# Where the counts follow from how much of the garbage a wrong L1 entry leads
# to is looked at, or a counter that is full, only the exit code is judged.
counted = ('l2', 'table', 'block', 'snapshot-l2')
bad = n = 0
for image, kind, text, data, new in cases(sys.argv[2:], 1, 0.035):
    path = 'x.%s.qcow2' % image.name
    put(path, data)
    theirs = findings(run(QEMU_IMG, 'check', path))
    ours = findings(run(OURS, 'check', path))
    n += 1
    if kind not in counted or image.name == 'rc1':
        theirs, ours = theirs[:1], ours[:1]
    if theirs != ours:
        bad += 1
        print(text, 'theirs', theirs, 'ours', ours, sep='\n    ')
print(n, 'images')
sys.exit(bad != 0)
END
python3 judge.py "$SRC/tests/interop/damage.inc" \
    plain 4k snap rc1 rc8 ext data v2 >one 2>&1 &
python3 judge.py "$SRC/tests/interop/damage.inc" \
    512 2m snap4k rc2 rc64 ext16k bitmap v2snap >two 2>&1 || rc=$?
wait $! || rc=$?
cat one two
[ "${rc-0}" -eq 0 ] || fail "check does not agree with the peer's"
