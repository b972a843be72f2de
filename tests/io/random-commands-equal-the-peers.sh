#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Lists of random commands, right and wrong, on images of all kinds: the same
# words, exit codes and contents as the peer's.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/io/io.inc"

RANDOM=20251123
pick() {
	shift $((RANDOM % $#))
	reply=$1
}
size() {
	pick 0 1 512 4k 64k 1000 65k 128k 3 1M 1023k 2M 1.5k 300001 \
	    $((RANDOM * 32)) $((RANDOM % 2048 * 512)) $((RANDOM % 16 * 64))k
	[ $((RANDOM % 40)) -ne 0 ] || pick x -1 9E 3G 0x1000
}
# Not compared: -b, which ours has not; -z and discard of parts of clusters,
# where ours does less or more.
command() {
	local letter flags n=2
	pick read read write write write discard readv writev aio_read \
	    aio_write alloc map length truncate flush zeros
	text=$reply
	case $text in
	map | length | flush) return ;;
	discard | zeros)
		pick 'discard -q' discard 'write -z' 'write -zu' 'write -zf'
		text="$reply $((RANDOM % 16 * 64))k $((RANDOM % 4 * 64))k"
		return ;;
	truncate)
		pick 1M 2M 768k 1000k 3000000
		text="$text $reply"
		return ;;
	alloc) flags= ;;
	read) flags=CqPslv ;;
	write) flags=CfqPu ;;
	readv | aio_read) flags=CqPv n=$((RANDOM % 3 + 2)) ;;
	writev) flags=CfqP n=$((RANDOM % 3 + 2)) ;;
	aio_write) flags=CfqPu n=$((RANDOM % 3 + 2)) ;;
	esac
	for letter in $(fold -w 1 <<<"$flags"); do
		[ $((RANDOM % 8)) -eq 0 ] || continue
		text="$text -$letter"
		case $letter in
		P) pick 0 1 0xcd 205 9 300 ;;
		s | l) size ;;
		*) continue ;;
		esac
		text="$text $reply"
	done
	[ $((RANDOM % 30)) -ne 0 ] || n=$((n - 1))
	while [ $((n--)) -gt 0 ]; do
		size
		text="$text $reply"
	done
}

both "$QEMU_IMG" create -q -f qcow2 base.q 700k
both "$QEMU_IO" -f qcow2 base.q -c 'write -q -P 9 0 100k' \
    -c 'write -q -P 8 300k 200k'
for i in $(seq 60); do
	pick 'raw a.img' 'qcow2 a.img' 'qcow2 -o cluster_size=4k a.img' \
	    'qcow2 -o compat=0.10 a.img' 'qcow2 -o lazy_refcounts=on a.img' \
	    'qcow2 -o extended_l2=on,cluster_size=16k a.img' \
	    'qcow2 -b base.q -F qcow2 a.img' \
	    'qcow2 -o refcount_bits=1 a.img'
	image=$reply
	# shellcheck disable=SC2086
	both "$QEMU_IMG" create -q -f $image 1M
	args=()
	for ((k = RANDOM % 20 + 3; k > 0; k--)); do
		command
		args+=(-c "$text")
		case $text in aio*) args+=(-c aio_flush) ;; esac
	done
	same -f "${image%% *}" a.img "${args[@]}"
	same_image a.img
	[ "$differ" -eq 0 ] || fail "list $i, $image: $differ differences"
done
