#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a full disk each command that writes fails with one line that says so;
# what is made new is removed, what was there reads as before with leaks at
# worst, backing files and sources are untouched; with room it goes on.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 8 small
. "$SRC/tests/faults/faults.inc"
doing="a full disk"

full() {
	one_line 1 'No space left on device' "$@"
}
gone() {
	[ -z "$(ls small)" ] || fail "left by $doing: $(ls small)"
}
random_file raw 33554432
"$COWBIRD_IMG" convert -f raw -O qcow2 raw source
cp source source.before

# New files.
while read -r doing; do
	# shellcheck disable=SC2086
	full "$COWBIRD_IMG" $doing
	gone
done <<'END'
create -q -f raw -o preallocation=falloc small/x 64M
create -q -f raw -o preallocation=full small/x 64M
create -q -f qcow2 -o preallocation=falloc small/x 64M
create -q -f qcow2 -o preallocation=full small/x 64M
create -q -f qcow2 -o preallocation=metadata,cluster_size=512 small/x 2G
create -q -f qcow2 -o preallocation=full,data_file=y small/x 64M
convert -f qcow2 -O raw source small/x
convert -f qcow2 -O qcow2 source small/x
convert -W -m 4 -f qcow2 -O qcow2 source small/x
convert -c -f qcow2 -O qcow2 source small/x
convert -c -o compression_type=zstd -f qcow2 -O qcow2 source small/x
convert -S 0 -f qcow2 -O raw source small/x
convert -t none -f qcow2 -O qcow2 source small/x
convert -t writethrough -f qcow2 -O qcow2 source small/x
convert -f qcow2 -O qcow2 -o data_file=y source small/x
convert -f qcow2 -O qcow2 -o preallocation=metadata source small/x
convert -f qcow2 -O qcow2 -o preallocation=full source small/x
dd if=source of=small/x bs=1M
dd -O qcow2 if=source of=small/x bs=64k
END
same_file source source.before

# The disk is full to the last byte.
random_file small/filler 8388608 2>/dev/null || true
doing="not a byte is left"
full "$COWBIRD_IMG" create -q -f qcow2 small/x 1M
full "$COWBIRD_IMG" convert -f qcow2 -O qcow2 source small/x
rm small/filler
gone

# Resizing.
for options in cluster_size=64k cluster_size=512; do
	for mode in metadata:100G falloc:64M full:64M; do
		rm -f small/x
		"$COWBIRD_IMG" create -q -f qcow2 -o $options small/x 4M
		"$COWBIRD_IO" -f qcow2 -c "write -q -P 1 0 1M" small/x
		"$COWBIRD_IMG" convert -f qcow2 -O raw small/x before
		doing="resize --preallocation=${mode%:*}, $options"
		full "$COWBIRD_IMG" resize -q --preallocation=${mode%:*} \
		    small/x ${mode#*:}
		sound small/x
		reads_like small/x qcow2 before
		[ ${mode%:*} != metadata ] || continue
		# What it got is given back.
		"$COWBIRD_IO" -f qcow2 -c "write -q -P 2 2M 1M" small/x ||
		    fail "$doing: no room any more"
	done
	rm small/x
done
"$COWBIRD_IMG" create -q -f raw small/x 4M
for mode in falloc full; do
	full "$COWBIRD_IMG" resize -q -f raw --preallocation=$mode small/x 64M
	[ "$(stat -c %s small/x)" -eq 4194304 ] || fail "raw image is longer"
done
rm small/x

# commit: the base is full.
"$COWBIRD_IMG" create -q -f qcow2 small/base 32M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 1M' small/base
"$COWBIRD_IMG" create -q -f qcow2 -b "$PWD/small/base" -F qcow2 over
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 2 512k 16M' over
"$COWBIRD_IMG" convert -f qcow2 -O raw over want
cp over over.before
doing="commit to a full disk"
full "$COWBIRD_IMG" commit -q over
same_file over over.before
sound small/base
reads_like over qcow2 want
mv small/base base
rm -f small/*
ln -s "$PWD/base" small/base
quiet "$COWBIRD_IMG" commit -q over
reads_like base qcow2 want
rm small/base

# rebase: the overlay is full.
"$COWBIRD_IMG" create -q -f raw other 32M
cp source.before old
"$COWBIRD_IMG" create -q -f qcow2 -b "$PWD/old" -F qcow2 small/over
for to in "$PWD/other" ""; do
	doing="rebase to '$to'"
	full "$COWBIRD_IMG" rebase -q -b "$to" ${to:+-F raw} small/over
	sound small/over
	reads_like small/over qcow2 raw
	same_file old source.before
done
rm small/over

# cowbird-io: what was flushed stays, and with room writing goes on.
"$COWBIRD_IMG" create -q -f qcow2 -b "$PWD/old" -F qcow2 small/over
doing="cowbird-io"
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 1 0 4M' -c flush small/over
random_file small/filler 2097152
rc=0
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 2 4M 20M' -c flush small/over \
    >out 2>&1 || rc=$?
[ $rc -eq 1 ] || fail "exit code $rc of writes to a full disk"
matches 'No space left on device' out
sound small/over
"$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 1 0 4M' small/over
rm small/filler
"$COWBIRD_IMG" check -q -r leaks small/over >out 2>&1
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 3 1M 1M' small/over
"$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 1 0 1M' -c 'read -q -P 3 1M 1M' \
    -c 'read -q -P 1 2M 2M' small/over
same_file old source.before
