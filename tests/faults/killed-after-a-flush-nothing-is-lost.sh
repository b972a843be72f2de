#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Killed at any moment while it writes, zeros, discards and flushes, cowbird-io
# leaves an image with leaks at worst in which all is that was flushed; also
# with lazy refcounts, subclusters, compression and a backing file.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/faults/faults.inc"
requires_plain_build

steps=60
"$COWBIRD_IMG" create -q -f qcow2 base.before 8M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 99 0 8M' base.before

# Step i writes to a place of its own; some places are then zeroed, discarded
# and written again, so that clusters come and go.
for ((i = 1; i <= steps; i++)); do
	echo "write $([ $((i % 7)) -ne 0 ] || echo -c) -P $i $((i * 65536)) 65536"
	[ $((i % 3)) -ne 0 ] ||
	    echo "write -z -u $((i * 65536)) 32768"
	[ $((i % 5)) -ne 0 ] ||
	    echo "discard $((i * 65536)) 65536"
	echo flush
	echo "length"
done >script
run_io() {
	"$COWBIRD_IO" -f qcow2 "${io_options[@]}" image <script >said 2>errors
}

# What the first n steps have put there, as commands that read.
expect() {
	local i n=$1
	reads=()
	for ((i = 1; i <= n; i++)); do
		if [ $((i % 5)) -eq 0 ]; then
			reads+=(-c "read -q -P 0 $((i * 65536)) 65536")
			continue
		fi
		reads+=(-c "read -q -P $((i % 3 ? i : 0)) $((i * 65536)) 32768"
		    -c "read -q -P $i $((i * 65536 + 32768)) 32768")
	done
}

for options in cluster_size=64k cluster_size=4k,lazy_refcounts=on \
    cluster_size=16k,extended_l2=on \
    cluster_size=64k,backing_file=base,backing_fmt=qcow2; do
	io_options=()
	[[ $options != *lazy* ]] || io_options=(-t none)
	rm -f fresh
	cp base.before base
	"$COWBIRD_IMG" create -q -f qcow2 -o $options fresh 8M
	cp fresh image
	run_io
	now
	start=$reply
	cp fresh image
	run_io
	now
	took=$((reply - start)) hit=0
	for ((k = 0; k < 16; k++)); do
		doing="$options, killed after $k/16 of $took us"
		cp fresh image
		"$COWBIRD_IO" -f qcow2 "${io_options[@]}" image <script >said \
		    2>errors &
		pid=$!
		sleep "0$(printf '.%06d' $((took * k / 16 % 1000000)))"
		kill -KILL $pid 2>/dev/null || true
		rc=0
		{ wait $pid; } 2>/dev/null || rc=$?
		[ $rc -ne 137 ] || hit=$((hit + 1))
		# "length" answers only after the flush before it.
		flushed=$(grep -c '^8 MiB' said) || true
		cmp base base.before || fail "$doing: the base has changed"
		expect "$flushed"
		if [[ $options == *lazy* ]]; then
			"$COWBIRD_IO" -f qcow2 -c quit image >out 2>&1 ||
			    { cat out >&2; fail "$doing: does not open"; }
		fi
		sound image
		"$COWBIRD_IO" -r -f qcow2 ${reads[@]+"${reads[@]}"} -c length \
		    image >out 2>&1 ||
		    { head out >&2; fail "$doing: flushed data are gone"; }
	done
	echo "$options: killed $hit of 16 times within $took us"
done
