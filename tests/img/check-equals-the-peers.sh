#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# check judges as the peer does: exit codes, text, JSON and the lines on each
# finding, of good images and of images damaged in one place; and repairs them
# so that the peer has nothing left to say.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

"$QEMU_IMG" create -q -f raw raw 1M
"$QEMU_IMG" create -q -f qcow2 empty 1M
"$QEMU_IMG" create -q -f qcow2 good 1M
"$QEMU_IO" -c 'write 0 256k' -c 'write -z 512k 64k' good >/dev/null
"$QEMU_IMG" create -q -f qcow2 -b good -F qcow2 over
"$QEMU_IO" -c 'write 64k 100k' over >/dev/null
"$QEMU_IMG" convert -c -O qcow2 good packed
"$QEMU_IMG" create -q -f qcow2 -o compat=0.10,cluster_size=512 old 1M
"$QEMU_IO" -c 'write 100k 300k' old >/dev/null
"$QEMU_IMG" create -q -f qcow2 -o refcount_bits=1 bits 1M
"$QEMU_IO" -c 'write 100k 300k' bits >/dev/null
"$QEMU_IMG" create -q -f qcow2 -o extended_l2=on ext 1M
"$QEMU_IO" -c 'write 100k 300k' ext >/dev/null
cp good snaps
"$QEMU_IMG" snapshot -c one snaps
"$QEMU_IO" -c 'write 0 100k' snaps >/dev/null
"$QEMU_IMG" snapshot -c two snaps

# damage NAME HOW: a copy of good with one thing wrong.
damage() {
	cp good "$1"
	python3 - "$1" "$2" <<-'END'
	import sys
	f = open(sys.argv[1], 'r+b')
	def u(off, n=8):
	    f.seek(off)
	    return int.from_bytes(f.read(n), 'big')
	def put(off, v, n=8):
	    f.seek(off)
	    f.write(v.to_bytes(n, 'big'))
	mask = 0x00fffffffffffe00
	l1, table = u(40), u(48)
	l2, block = u(l1) & mask, u(table) & mask
	copied = 1 << 63
	first = u(l2) & mask
	exec(sys.argv[2])
	END
}
damage leak 'put(l2 + 8, 0); put(l2 + 24, 0)'
damage twice 'put(l2 + 8, u(l2))'
damage copied-missing 'put(l2, u(l2) & ~copied)'
damage copied-wrong 'put(block + first // 65536 * 2, 2, 2)'
damage refcount-zero 'put(block + first // 65536 * 2, 0, 2)'
damage refcount-high 'put(block + first // 65536 * 2, 5, 2)'
damage unaligned 'put(l2, u(l2) + 512)'
damage past-end 'put(l2, copied | 1 << 40)'
damage l2-refcount 'put(block + l2 // 65536 * 2, 3, 2)'
damage l1-copied 'put(l1, u(l1) & ~copied)'
damage corrupt-bit 'put(72, 2)'

for image in empty good over packed old bits ext snaps leak twice \
    copied-missing copied-wrong refcount-zero refcount-high unaligned \
    past-end l2-refcount l1-copied corrupt-bit raw missing; do
	same_as_peer check $image
	same_as_peer check --output=json $image
	same_as_peer check -q $image
done
same_as_peer check -f qcow2 good
same_as_peer check --image-opts driver=qcow2,file.filename=good
same_as_peer check -U -T none good

for how in leaks all; do
	for image in good packed snaps leak twice copied-missing copied-wrong \
	    refcount-high past-end l2-refcount l1-copied corrupt-bit; do
		for form in human json; do
			cp $image theirs/x
			cp $image ours/x
			apart check -r $how --output=$form x
		done
		# Nobody knows what was meant by an entry past the end.
		[ $how = all ] && [ $image != past-end ] || continue
		"$QEMU_IMG" check -q ours/x || fail "$image is not repaired"
	done
done
no_difference

# The peer moves all of the refcounts for this one.
"$PEER_IMG" check -q -r all refcount-zero 2>/dev/null ||
    fail "refcount-zero is not repaired"
"$QEMU_IMG" check -q refcount-zero
