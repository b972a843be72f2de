#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Block status says of an image what the peer says, in every context.
. "$(dirname "$0")/protocol.inc"
requires qemu-nbd nbdinfo
requires_oracle

peer_io() {
	"$QEMU_IO" -f "$1" "${@:3}" "$2" >/dev/null
}

img="$QEMU_IMG create -q"
$img -f raw sparse.raw 20M
peer_io raw sparse.raw -c 'write 1M 64k' -c 'write 3M 1M' \
    -c 'write 20967424 512'
$img -f raw odd.raw 1000000
peer_io raw odd.raw -c 'write 999000 500'
$img -f qcow2 base.qcow2 8M
peer_io qcow2 base.qcow2 -c 'write 0 1M' -c 'write -z 2M 1M' \
    -c 'write 7M 64k'
# Overlays longer than what is below them.
$img -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2 12M
peer_io qcow2 mid.qcow2 -c 'write 512k 64k' -c 'write -z 0 64k' \
    -c 'discard 128k 64k' -c 'write 9M 1M'
$img -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2 16M
peer_io qcow2 top.qcow2 -c 'write 600k 4k' -c 'write -z 3M 100k' \
    -c 'write 15M 64k'
$img -f qcow2 -b base.qcow2 -F qcow2 short.qcow2 5M
$img -f qcow2 -b sparse.raw -F raw over-raw.qcow2 32M
peer_io qcow2 over-raw.qcow2 -c 'write 1M 4k'
$img -f qcow2 -o preallocation=metadata metadata.qcow2 8M
peer_io qcow2 metadata.qcow2 -c 'write 1M 64k' -c 'write -z 3M 64k' \
    -c 'write -z -u 4M 64k'
$img -f qcow2 -o preallocation=falloc falloc.qcow2 8M
$img -f qcow2 -o extended_l2=on,cluster_size=128k subclusters.qcow2 8M
peer_io qcow2 subclusters.qcow2 -c 'write 4k 4k' -c 'write -z 64k 8k' \
    -c 'write 300k 50k'
{ random_file /dev/stdout 1000000; head -c 3000000 /dev/zero; seq 200000; } \
    >some.raw
"$QEMU_IMG" convert -c -f raw -O qcow2 some.raw compressed.qcow2
$img -f qcow2 bitmaps.qcow2 10M
"$QEMU_IMG" bitmap --add bitmaps.qcow2 b0
"$QEMU_IMG" bitmap --add -g 4k bitmaps.qcow2 b1
peer_io qcow2 bitmaps.qcow2 -c 'write 1M 64k' -c 'write 5000000 10'
"$QEMU_IMG" bitmap --disable bitmaps.qcow2 b1
peer_io qcow2 bitmaps.qcow2 -c 'write 9M 1M'

# maps CMD FORMAT FILE OPTION...: what every context says
maps() {
	local context
	serve s "$1" -r -A -f "$2" "${@:4}" "$3"
	for context in base:allocation qemu:allocation-depth \
	    qemu:dirty-bitmap:b0 qemu:dirty-bitmap:b1; do
		case $3,$context in
		bitmaps.qcow2,* | *,base:* | *,qemu:allocation*)
			echo "$3 $context"
			nbdinfo --json --map="$context" "$(uri s)"
			;;
		esac
	done
	end_server
}

for file in *.raw *.qcow2; do
	format=${file##*.}
	options=()
	[ "$file" != bitmaps.qcow2 ] || options=(-B b0 -B b1)
	same_text "$(maps qemu-nbd "$format" "$file" \
	    ${options[@]+"${options[@]}"})" \
	    "$(maps "$COWBIRD_NBD" "$format" "$file" \
	    ${options[@]+"${options[@]}"})" "map of $file"
done
