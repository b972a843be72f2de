#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The disk below the image is full: the client that writes hears of it, what
# was there before can be read, and the server goes on.
. "$(dirname "$0")/../lib.sh"
small_tmpfs 16 small
. "$(dirname "$0")/protocol.inc"
requires nbdcopy
requires_oracle

random_file data 33554432
random_file little 1048576
for format in raw qcow2; do
	"$QEMU_IMG" create -q -f $format small/disk 64M
	serve s "$COWBIRD_NBD" -e 0 -f $format small/disk
	quiet nbdcopy --flush little "$(uri s)"
	fails_with 1 'No space left on device' timeout 30 \
	    nbdcopy data "$(uri s)"
	"$QEMU_IO" -f raw -c 'read 0 1M' "$(uri s)" >/dev/null
	kill -0 "$SERVER" || fail 'the server is gone'
	kill -9 "$SERVER"
	rm -f small/disk s
done
