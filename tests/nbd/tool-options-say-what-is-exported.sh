#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The options of the one export: -x -D -o -r -s -l -A -B -f --image-opts; the
# clients see the name, the window, the contexts, and what may be done.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires nbdcopy

random_file raw 3M
"$COWBIRD_IMG" convert -O qcow2 raw a.qcow2
# shown ARG...: what a server with these options offers.
shown() {
	serve -t "$@"
	"$COWBIRD_NBD" -L -k "$sock" >shown
	nbdcopy "nbd+unix:///${name-}?socket=$sock" copy
	stop
}

shown -f raw raw
matches "^ export: ''$" shown
matches '^  size:  3145728$' shown
same_file raw copy
name=disk shown -x disk -D 'about it' -f raw -r raw
matches "^ export: 'disk'$" shown
matches '^  description: about it$' shown
matches ' readonly ' shown
! grep -q ' trim ' shown || fail "a read-only export may be trimmed"
same_file raw copy

shown -f raw -o 1048576 raw
same_file <(tail -c +1048577 raw) copy
shown -r --image-opts driver=raw,offset=1M,size=1M,file.driver=file,file.filename=raw
same_file <(head -c 2M raw | tail -c 1M) copy
shown -f qcow2 -A a.qcow2
matches '^   qemu:allocation-depth$' shown
same_file raw copy
shown a.qcow2
same_file raw copy

# Multi-conn is as the peer has it: when more than one may come.
shown -f raw raw
! grep -q ' multi ' shown || fail "multi with -e 1"
shown -e 2 -f raw raw
matches ' multi ' shown

# What is written with -s is read again, and lost.
serve -t -s -f qcow2 a.qcow2
"$COWBIRD_IMG" info a.qcow2 >/dev/null
random_file other 1M
nbdcopy other "$uri"
nbdcopy "$uri" copy
same_file <(cat other; tail -c +1048577 raw) copy
stop
"$COWBIRD_IMG" compare -f raw -F qcow2 raw a.qcow2 >/dev/null
[ -z "$(find "$TMPDIR" -maxdepth 1 -name 'cowbird.*')" ] || fail "a temporary file"

# A file for what is written there must be; memory will not do.
TMPDIR=/nonexistent fails_with 1 /nonexistent \
    "$COWBIRD_NBD" -s -k "$sock" -f raw raw

# Snapshots, by number, name, or both; bitmaps.
requires_nbd_oracle
"$QEMU_IMG" snapshot -c first a.qcow2
"$QEMU_IMG" snapshot -c 1 a.qcow2
"$QEMU_IO" -c 'write -P 1 0 1M' a.qcow2 >/dev/null
for snapshot in first 1 snapshot.id=1 snapshot.name=first \
    snapshot.id=1,snapshot.name=first; do
	shown -l "$snapshot" -f qcow2 a.qcow2
	same_file raw copy
	matches ' readonly ' shown
done
fails_with 1 "Can't find snapshot" "$COWBIRD_NBD" -k "$sock" \
    -l snapshot.id=2,snapshot.name=first -f qcow2 a.qcow2
fails_with 1 "Can't find snapshot" "$COWBIRD_NBD" -k "$sock" \
    -l snapshot.name=2 -f qcow2 a.qcow2
"$QEMU_IMG" bitmap --add a.qcow2 one
"$QEMU_IMG" bitmap --add a.qcow2 two
"$QEMU_IMG" create -q -f qcow2 -b a.qcow2 -F qcow2 top.qcow2
for file in a.qcow2 top.qcow2; do
	shown -B one -B two -f qcow2 -r $file
	matches '^   qemu:dirty-bitmap:one$' shown
	matches '^   qemu:dirty-bitmap:two$' shown
done
shown -B one -s -f qcow2 a.qcow2
matches '^   qemu:dirty-bitmap:one$' shown
