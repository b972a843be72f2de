#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# info opens the named file and no other: neither backing file nor data file
# is opened, waited for, locked or needed, under any name; nothing is written.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names

mkdir in
"$COWBIRD_IMG" create -q -f qcow2 in/base 1M
"$COWBIRD_IMG" create -q -f qcow2 -b base -F qcow2 in/over
"$COWBIRD_IMG" create -q -f qcow2 -o data_file=data in/split 1M
"$COWBIRD_IMG" create -q -u -f qcow2 -F raw -b fifo in/waits 1M
"$COWBIRD_IMG" create -q -u -f qcow2 -b fifo in/guess 1M 2>/dev/null || true
mkfifo in/fifo
cp -r in before
# Who opens these waits for ever, or is refused.
rm in/base in/data
mkfifo in/base in/data
if command -v strace >/dev/null && strace -f -o calls true 2>/dev/null; then
	trace=(strace -f -qq -o calls -e trace=%file,socket,connect)
else
	trace=()
fi
for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
	for image in over split waits; do
		for form in human json; do
			: >calls
			bounded 5 ${trace[@]+"${trace[@]}"} "$tool" info \
			    --output=$form in/$image
			[ $rc -eq 0 ] && [ -z "$said" ] ||
			    { cat stderr >&2; fail "info in/$image: $rc"; }
			if grep -E 'in/(base|data|fifo)|socket|connect' calls
			then
				fail "info in/$image looks at other files"
			fi
			if grep -E 'O_(RDWR|WRONLY|CREAT)' calls; then
				fail "info in/$image opens for writing"
			fi
		done
		same_file before/$image in/$image
	done
done

# Nor does it matter who has them.
rm in/base in/data
cp before/base before/data in
exec {keep}<>in/fifo
"$COWBIRD_IO" in/base <in/fifo >/dev/null 2>&1 &
cleanup_fn kill $!
for _ in $(seq 50); do
	"$COWBIRD_IMG" map in/base >/dev/null 2>&1 || break
	sleep 0.1
done
refused 1 'lock' "$COWBIRD_IMG" map in/over
quiet "$COWBIRD_IMG" info in/over >/dev/null
refused 1 'lock' "$COWBIRD_IMG" info --backing-chain in/over

# What is no file is not waited for either.
mkdir folder
for name in folder in/fifo missing; do
	refused 1 . "$COWBIRD_IMG" info $name
	bounded 5 "$PEER_IMG" info $name
	[ $rc -eq 1 ] || fail "info $name as the peer: $rc"
done
