#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# resize says and does what the peer does: absolute and relative sizes,
# --shrink, preallocation modes, and all that is refused.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"

for side in theirs ours; do
	(
		cd $side || exit
		"$QEMU_IMG" create -q -f qcow2 q 8M
		"$QEMU_IO" -c 'write -P 1 0 1M' -c 'write -P 2 7M 1M' q >/dev/null
		"$QEMU_IMG" create -q -f raw r 8M
		"$QEMU_IO" -f raw -c 'write -P 1 0 1M' r >/dev/null
		"$QEMU_IMG" create -q -f qcow2 -b q -F qcow2 over
	)
done

# both ARG...: resize, and both files are then the same disks.
both() {
	local image
	apart resize "$@"
	for image in q r over; do
		[ "$("$QEMU_IMG" info --output=json theirs/$image | grep '"virtual')" = \
		    "$("$QEMU_IMG" info --output=json ours/$image | grep '"virtual')" ] ||
		    fail "sizes differ after: resize $*"
	done
}

both q 8M
both q 16M
both q +1M
both q 4M
both --shrink q 4M
both q -1M
both q -q -- -1M
both --shrink q -1M
both --shrink q -100M
both q +0
both q 4M
both -q q 5M
both -f qcow2 q 6M
both q foo
both q 5Mx
both q ''
both q +
both q -
both q +1000
both --shrink q 1000
both q 8589934592G
both q 10240K
both q 12582912
both q 13000192b
both --shrink q 8M
both --preallocation=off q 9M
both --preallocation=metadata q 10M
both --preallocation=falloc q 11M
both --preallocation=full q 12M
both --preallocation=foo q 13M
both --preallocation=full --shrink q 8M
both -f raw r 16M
both -f raw r +1M
both -f raw r 4M
both -f raw --shrink r 4M
both -f raw --preallocation=falloc r 5M
both -f raw --preallocation=full r 6M
both -f raw --preallocation=metadata r 7M
both r 8M
both over 16M
both --shrink over 4M
both over
both
both q 1M 2M
both missing 1M
both -f nosuch q 1M
both --image-opts driver=qcow2,file.filename=q 20M
both --image-opts -f qcow2 driver=qcow2,file.filename=q 20M
no_difference
for image in q r over; do
	"$QEMU_IMG" compare -q theirs/$image ours/$image || fail "$image differs"
done
"$QEMU_IMG" check -q ours/q
"$QEMU_IMG" check -q ours/over
