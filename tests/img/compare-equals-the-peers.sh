#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# compare says what the peer says, with its exit codes: sizes, content,
# allocation, images that cannot be opened or read.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

"$QEMU_IMG" create -q -f raw a 1M
"$QEMU_IO" -f raw -c 'write -P 1 0 128k' a >/dev/null
"$QEMU_IMG" convert -f raw -O qcow2 a same
"$QEMU_IMG" convert -c -f raw -O qcow2 a packed
"$QEMU_IMG" create -q -f qcow2 -b same -F qcow2 over
"$QEMU_IO" -c 'write -P 1 64k 1k' over >/dev/null
cp over other
"$QEMU_IO" -c 'write -P 9 99000 10' other >/dev/null
cp a longer && truncate -s 2M longer
cp longer tail
"$QEMU_IO" -f raw -c 'write -P 7 1536k 1k' tail >/dev/null
cp packed broken
python3 - <<-'END'
	f = open('broken', 'r+b')
	def u(off):
	    f.seek(off)
	    return int.from_bytes(f.read(8), 'big') & 0x00fffffffffffe00
	l2 = u(u(40))
	f.seek(l2)
	at = int.from_bytes(f.read(8), 'big') & ((1 << 54) - 1)
	f.seek(at)
	f.write(b'\xff' * 64)
END

for b in a same packed over other longer tail missing; do
	same_as_peer compare a $b
	[ $b = packed ] || same_as_peer compare -s a $b
	same_as_peer compare -q a $b
	same_as_peer compare $b a
done
same_as_peer compare -p -q a same
same_as_peer compare -f raw -F qcow2 -T none a over
same_as_peer compare -f raw -F raw a same
same_as_peer compare -F nosuch a same
same_as_peer compare -T foo a same
same_as_peer compare -U a same
same_as_peer compare --image-opts driver=raw,file.filename=a \
    driver=qcow2,file.filename=same
no_difference
fails_with 4 'broken' "$COWBIRD_IMG" compare a broken
fails_with 4 'broken' "$COWBIRD_IMG" compare broken a
