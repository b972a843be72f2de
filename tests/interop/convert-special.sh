#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Convert onto what is there, over a backing file, from several sources and on
# any number of threads gives what the peer's does; measure foretells it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/interop/interop.inc"

tool "$QEMU_IMG" create -q -f raw a.raw 5M
tool "$QEMU_IO" -f raw -c 'write -q -P 1 0 300k' -c 'write -q -P 2 3M 1M' a.raw
seq 300000 | dd of=a.raw bs=64k seek=10 conv=notrunc status=none
tool "$QEMU_IMG" create -q -f qcow2 -o cluster_size=8k b.qcow2 3333120
tool "$QEMU_IO" -c 'write -q -P 3 777 100k' -c 'write -q -P 4 3333000 120' b.qcow2
tool "$QEMU_IMG" convert -c -O qcow2 a.raw c.qcow2

# -n: what the target had is gone, also what its backing file has.
tool "$QEMU_IMG" create -q -f raw junk.raw 6M
tool "$QEMU_IO" -f raw -c 'write -q -P 255 0 6M' junk.raw
for options in '' compat=0.10 extended_l2=on; do
	for under in '' 'backing_file=junk.raw,backing_fmt=raw'; do
		for flags in '' -c -W '-S 0' '-m 1'; do
			doing="convert -n $flags to $options $under"
			rm -f t
			tool "$QEMU_IMG" create -q -f qcow2 \
			    ${options:+-o "$options"} ${under:+-o "$under"} t 5M
			[ "$flags" = -c ] || tool "$QEMU_IO" \
			    -c 'write -q -P 9 1M 3M' -c 'write -q -z 4M 1M' t
			# shellcheck disable=SC2086
			tool "$COWBIRD_IMG" convert -q -n $flags -f qcow2 -O qcow2 c.qcow2 t
			clean t
			same_contents t qcow2 a.raw
			same_views t qcow2
		done
	done
done
cp junk.raw t
doing='convert -n to raw'
tool "$QEMU_IMG" resize -q -f raw --shrink t 5M
tool "$COWBIRD_IMG" convert -q -n -f qcow2 -O raw c.qcow2 t
same_file a.raw t

# -B: only what lies above is copied.
tool "$QEMU_IMG" create -q -f qcow2 -b c.qcow2 -F qcow2 over 6M
tool "$QEMU_IO" -c 'write -q -P 5 100k 10k' -c 'write -q -z 3M 64k' \
    -c 'write -q -P 6 5900k 100k' over
tool "$QEMU_IMG" convert -f qcow2 -O raw over model
for flags in '' -c '-S 0' -W '-o cluster_size=4k' '-o extended_l2=on'; do
	doing="convert -B $flags"
	# shellcheck disable=SC2086
	tool "$COWBIRD_IMG" convert -q $flags -O qcow2 -B c.qcow2 -F qcow2 over t
	clean t
	same_contents t qcow2 model
	same_views t qcow2
	tool "$QEMU_IMG" map --output=json t
	grep -q '"depth": 1, "present": true' out || wrong "it holds everything"
done

# Several sources.
for order in 'a.raw b.qcow2' 'b.qcow2 a.raw b.qcow2' 'over c.qcow2'; do
	# shellcheck disable=SC2086
	tool "$QEMU_IMG" convert -O raw $order model
	for flags in '-O raw' '-O qcow2' '-O qcow2 -c' '-O qcow2 -m 8 -W'; do
		doing="convert $flags $order"
		# shellcheck disable=SC2086
		tool "$COWBIRD_IMG" convert -q $flags $order t
		case $flags in
		*raw) same_file model t ;;
		*)
			clean t
			same_contents t qcow2 model ;;
		esac
	done
done

# Threads do not show in the result; measure knows its size.
for source in a.raw b.qcow2 c.qcow2 over; do
	for flags in '' -c '-c -o compression_type=zstd' \
	    '-o cluster_size=4k' '-o extended_l2=on'; do
		doing="convert $flags $source, 1 thread and 8"
		# shellcheck disable=SC2086
		tool "$COWBIRD_IMG" convert -q -m 1 $flags -O qcow2 $source one
		# shellcheck disable=SC2086
		tool "$COWBIRD_IMG" convert -q -m 8 $flags -O qcow2 $source many
		same_file one many
		case $flags in *-c*) continue ;; esac
		# shellcheck disable=SC2086
		"$QEMU_IMG" measure $flags -O qcow2 $source >theirs
		# shellcheck disable=SC2086
		"$PEER_IMG" measure $flags -O qcow2 $source >ours
		same_text "$(cat theirs)" "$(cat ours)" "$doing: measure"
		[ "$(stat -c %s one)" -le \
		    "$(sed -n 's/required size: //p' ours)" ] ||
		    wrong "larger than measured"
	done
done
