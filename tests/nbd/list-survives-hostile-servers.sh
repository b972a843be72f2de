#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# -L against servers that send nonsense, lists without end, lengths beyond all
# bounds, escapes for the terminal: one clear line and exit code 1, soon, in
# little memory.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires timeout

cat >hostile.py <<'END'
import os, socket, struct, sys
how = sys.argv[2]
l = socket.socket(socket.AF_UNIX)
l.bind(sys.argv[1]); l.listen(1)
s, _ = l.accept()
hello = b'NBDMAGICIHAVEOPT' + struct.pack('>H', 3)

def read(n):
    b = b''
    while len(b) < n:
        more = s.recv(n - len(b))
        if not more: sys.exit()
        b += more
    return b

def option():
    _, o, n = struct.unpack('>8sII', read(16))
    return o, read(n)

def reply(o, kind, data=b'', n=None):
    s.sendall(struct.pack('>QIII', 0x3e889045565a9, o, kind,
        len(data) if n is None else n) + data)

def server(name, about=b''):
    return struct.pack('>I', len(name)) + name + about

if how == 'garbage': s.sendall(os.urandom(4096))
elif how == 'nothing': pass
elif how == 'half': s.sendall(hello[:12])
elif how == 'old': s.sendall(b'NBDMAGIC' + struct.pack('>Q', 0x420281861253) + b'short')
else:
    s.sendall(hello); read(4)
    o, _ = option()                     # structured replies
    if how == 'magic': s.sendall(b'x' * 20)
    if how == 'other': reply(o + 1, 1)
    if how == 'huge': reply(o, 1, n=0xffffffff)
    reply(o, 1)
    o, _ = option()                     # list
    assert o == 3, o
    if how == 'endless':
        while True: reply(o, 2, server(b'x' * 4000))
    if how == 'many':
        while True: reply(o, 2, server(b''))
    if how == 'lies': reply(o, 2, struct.pack('>I', 0xffffffff) + b'x')
    if how == 'short': reply(o, 2, b'x')
    if how == 'type': reply(o, 77, b'x')
    if how == 'error': reply(o, (1 << 31) + 2, b'\x1b[31mred\nlines')
    if how == 'name': reply(o, 2, server(b'x' * 4097))
    reply(o, 2, server(b'\x1b[2Jname', b'a\x07bout'))
    reply(o, 1)
    o, _ = option()                     # info
    assert o == 6, o
    if how == 'infos':
        while True: reply(o, 3, struct.pack('>HI', 99, 0))
    if how == 'sizes': reply(o, 3, struct.pack('>HIII', 3, 3, 7, 0))
    if how == 'size': reply(o, 3, struct.pack('>HQH', 0, 1 << 63, 1))
    if how == 'info': reply(o, 3, b'\0')
    if how != 'unsized': reply(o, 3, struct.pack('>HQH', 0, 512, 0xffff))
    reply(o, 1)
    o, _ = option()                     # contexts
    assert o == 9, o
    if how == 'contexts':
        while True: reply(o, 4, struct.pack('>I', 0) + b'c' * 4000)
    if how == 'context': reply(o, 4, b'c')
    reply(o, 1)
    option()
END
listed() {
	rm -f "$sock"
	python3 hostile.py "$sock" "$1" 2>/dev/null &
	cleanup_fn kill_server $!
	within 10 test -S "$sock"
	sleep 0.05
}
# A sanitizer takes all address space there is.
limit='ulimit -v 400000'
case $COWBIRD_NBD in
*/san/* | */tsan/*) limit=: ;;
esac
for how in garbage nothing half old magic other huge endless many lies short \
    type error name infos sizes size info unsized contexts context; do
	listed $how
	fails_with 1 . bash -c "$limit; exec timeout 20 \"\$@\"" sh \
	    "$COWBIRD_NBD" -L -k "$sock"
	[ "$(wc -l <stderr)" = 1 ] || { cat stderr; fail "$how: not one line"; }
	! grep -q $'\x1b' stderr || fail "$how: an escape is shown"
	[ ! -s stdout ] || fail "$how: half a list"
done
listed good
"$COWBIRD_NBD" -L -k "$sock" >out
matches 'name' out
! grep -q $'\x1b\|\x07' out || fail "escapes are shown"
