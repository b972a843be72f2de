#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# commit leaves the same contents in each image of the chain as the peer does,
# and says the same.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

prepare() {
	rm -f ./*
	"$QEMU_IMG" create -q -f qcow2 base 1M
	"$QEMU_IO" -c 'write -P 1 0 512k' base >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b base -F qcow2 mid 2M
	"$QEMU_IO" -c 'write -P 2 64k 128k' -c 'write -P 7 1M 4k' mid >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -b mid -F qcow2 top
	"$QEMU_IO" -c 'write -P 3 128k 128k' -c 'write -P 4 1536k 64k' \
	    -c 'write -z 0 64k' top >/dev/null
	"$QEMU_IMG" create -q -f raw flat 1M
	"$QEMU_IO" -f raw -c 'write -P 5 0 1M' flat >/dev/null
	"$QEMU_IMG" create -q -f qcow2 -o extended_l2=on -b flat -F raw over 3M
	"$QEMU_IO" -c 'write -P 6 1k 70k' -c 'write -z 512k 64k' over >/dev/null
}

# commits TOP ARG...: from a fresh chain.
commits() {
	local image
	(cd theirs && prepare)
	(cd ours && prepare)
	apart commit "$@"
	for image in base mid top flat over; do
		"$QEMU_IMG" compare -q -U theirs/$image ours/$image ||
		    fail "commit $*: $image"
		[ $image = flat ] || "$QEMU_IMG" check -q ours/$image ||
		    fail "commit $*: check $image"
	done
	diff <("$QEMU_IMG" map --output=json theirs/top | grep -c 'depth": 0') \
	    <("$QEMU_IMG" map --output=json ours/top | grep -c 'depth": 0') ||
	    fail "commit $*: emptied"
}

commits top
commits -q top
commits -d top
commits -b mid top
commits -b base top
commits -b ./base top
commits -f qcow2 -t none mid
commits -t writethrough -r 100M over
commits --image-opts driver=qcow2,file.filename=over

for args in base '-b base base' '-b nosuch top' '-b top top' missing \
    '-t foo top' '-r foo top' 'top mid' '-f raw --image-opts top'; do
	# shellcheck disable=SC2086
	(cd ours && same_as_peer commit $args && no_difference)
done
no_difference
