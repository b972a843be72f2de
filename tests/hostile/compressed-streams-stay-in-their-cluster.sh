#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Compressed clusters with damaged streams, or descriptors that point past the
# end of the file or at tables, are read errors that convert tells of; streams
# that go on for ever stop at the end of the cluster; nothing else is touched.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names
limit_memory 262144

head -c 262144 /dev/zero | tr '\0' a >raw
# descriptor FILE N VALUE: the first L2 table's entry N.
descriptor() {
	put "$1" $((l2 + 8 * $2)) 8 "$3"
}
# unreadable NAME: ./bad has an unreadable first cluster; the next is good.
unreadable() {
	local tool
	cp bad before
	for tool in "$COWBIRD_IMG" "$PEER_IMG"; do
		bounded 5 "$tool" convert -q -f qcow2 -O raw bad out
		[ $rc -eq 1 ] || fail "$1: convert says $rc"
		[ ! -e out ] || fail "$1: a target is left"
		bounded 5 "$tool" compare -f qcow2 -F raw bad raw
		[ $rc -gt 1 ] || fail "$1: compare says $rc"
		bounded 5 "$tool" map --output=json -f qcow2 bad
		[ $rc -eq 0 ] || fail "$1: no map"
	done
	bounded 5 "$COWBIRD_IO" -r -f qcow2 -c 'read 0 4k' bad
	[ $rc -eq 1 ] || fail "$1: read says $rc"
	bounded 5 "$COWBIRD_IO" -r -f qcow2 -c "read -P 97 $cluster 512" bad
	[ $rc -eq 0 ] || fail "$1: the next cluster is lost, too"
	words=100000 bounded 5 "$COWBIRD_IMG" check -f qcow2 bad
	same_file before bad
	# Salvaged: zeros there, the rest as it was.
	bounded 5 "$COWBIRD_IMG" convert -q --salvage -f qcow2 -O raw bad out
	[ $rc -eq 0 ] || { cat stderr >&2; fail "$1: cannot be salvaged"; }
	cmp -i "$cluster" raw out >&2 || fail "$1: salvaged something else"
	rm out
	# A write to half of it must not lose the other half unsaid.
	bounded 5 "$COWBIRD_IO" -f qcow2 -c 'write 0 512' bad
	[ $rc -eq 1 ] || fail "$1: written over in part"
	bounded 5 "$COWBIRD_IO" -f qcow2 -c 'read 0 512' bad
	[ $rc -eq 1 ] || fail "$1: readable by a write in part"
}

for type in zlib zstd; do
	for size in 4096 65536; do
		"$COWBIRD_IMG" convert -c -f raw -O qcow2 raw good \
		    -o cluster_size=$size,compression_type=$type || continue 2
		tables good
		get good "$l2" 8
		first=$reply
		shift=$((62 - (size == 4096 ? 4 : 8)))
		host=$((first & ((1 << shift) - 1)))
		end=$(stat -c %s good)
		for lie in "1 << 40" "(1 << shift) - 512" "end" \
		    "end - 1" "l2 + 64" "0" "511"; do
			cp good bad
			descriptor bad 0 $((PACKED | (lie)))
			unreadable "$type $size at $lie"
		done
		for garbage in '\377' '\0' '\050\265\057\375\377\377' \
		    '\002' '\007\377' 'garbage'; do
			cp good bad
			for ((i = 0; i < 12; i++)); do
				# shellcheck disable=SC2059
				printf "$garbage"
			done >garbage
			head -c 16 garbage | bytes_at bad "$host"
			unreadable "$type $size stream $garbage"
		done
	done
done

# A stream of a cluster of 2 MiB, named by clusters of 4 KiB: it is cut off,
# as the peer has it; its length is not believed.
head -c 2097152 /dev/zero | tr '\0' b >long
"$COWBIRD_IMG" convert -c -f raw -O qcow2 -o cluster_size=2M long far
tables far
get far "$l2" 8
from=$((reply & ((1 << (62 - 13)) - 1)))
"$COWBIRD_IMG" convert -c -f raw -O qcow2 -o cluster_size=4k raw bad
tables bad
at=$(($(stat -c %s bad) / 512 * 512))
dd if=far bs=4096 skip=$from iflag=skip_bytes count=2 status=none |
    bytes_at bad $at
truncate -s +64k bad
descriptor bad 0 $((PACKED | 15 << 58 | at))
bounded 5 "$COWBIRD_IO" -r -f qcow2 -c 'read -P 98 0 4k' \
    -c 'read -P 97 4k 60k' bad
[ $rc -eq 0 ] || { cat stdout >&2; fail "a long stream is not cut off"; }
# All clusters of 64 MiB are the same unit.
"$COWBIRD_IMG" create -q -f qcow2 -o cluster_size=2M bomb 1T
tables bomb
"$COWBIRD_IO" -f qcow2 -c 'write -q -c -P 1 0 2M' bomb
tables bomb
get bomb "$l2" 8
for ((i = 1; i < 32; i++)); do
	descriptor bomb $i "$reply"
done
bounded 20 "$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 1 0 64M' bomb
[ $rc -eq 0 ] || { cat stdout >&2; fail "one unit, many names"; }
