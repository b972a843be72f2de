#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images on a file system mounted read only are read like any other; what
# would write to them, or beside them, says why it cannot.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 16 disk
. "$SRC/tests/faults/faults.inc"

"$COWBIRD_IMG" create -q -f qcow2 disk/base 4M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 1M' disk/base
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 disk/over
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 2 512k 1M' disk/over
"$COWBIRD_IMG" create -q -f qcow2 -o lazy_refcounts=on disk/lazy 4M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 3 0 1M' -c flush -c 'sleep 20000' \
    disk/lazy >/dev/null 2>&1 &
io=$!
for _ in $(seq 100); do
	"$COWBIRD_IMG" info -U disk/lazy >out 2>&1 || true
	! grep -q 'dirty' out || break
	sleep 0.05
done
sleep 0.2
kill -KILL $io
{ wait $io; } 2>/dev/null || true
mount -o remount,ro "$PWD/disk" 2>/dev/null || skip "may not mount read only"

for image in base over lazy; do
	for command in info map check 'convert -O raw' 'measure -O raw' \
	    'bench -c 1'; do
		rc=0
		# shellcheck disable=SC2086
		"$COWBIRD_IMG" $command disk/$image \
		    $([[ $command != convert* ]] || echo out) >said 2>&1 || rc=$?
		[ $rc -eq 0 ] || [ $image$command$rc = lazycheck2 ] ||
		    { cat said >&2; fail "$command of $image: $rc"; }
	done
	quiet "$COWBIRD_IO" -r -f qcow2 -c 'read -q 0 1M' disk/$image
done
quiet "$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 3 0 1M' disk/lazy
"$COWBIRD_IMG" create -q -f qcow2 -b "$PWD/disk/base" -F qcow2 above
quiet "$COWBIRD_IO" -f qcow2 -c 'write -q 0 4k' above

while read -r command; do
	# shellcheck disable=SC2086
	one_line 1 'Read-only file system' "$COWBIRD_IMG" $command
done <<'END'
resize disk/base 8M
commit disk/over
commit above
rebase -u -b "" disk/over
check -r all disk/base
bench -w -c 1 disk/base
create -q -f qcow2 disk/new 1M
create -q -f qcow2 disk/base 1M
convert -O qcow2 above disk/new
convert -O qcow2 above disk/over
dd if=above of=disk/new
END
one_line 1 'Read-only file system' "$COWBIRD_IO" -f qcow2 \
    -c 'write 0 4k' disk/base
"$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 1 0 1M' disk/base
