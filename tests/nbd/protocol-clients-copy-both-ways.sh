#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libnbd's nbdcopy and the peer's own client read and write through our
# server, several connections at once, and every byte arrives.
. "$(dirname "$0")/protocol.inc"
requires nbdcopy
requires_oracle

{ random_file /dev/stdout 3000000; head -c 5000000 /dev/zero
  random_file /dev/stdout 700000; } >data
truncate -s 10M data

for format in raw qcow2; do
	"$QEMU_IMG" create -q -f $format disk.$format 10M
	serve s "$COWBIRD_NBD" -e 0 --discard=unmap -f $format disk.$format
	quiet nbdcopy --flush data "$(uri s)"
	quiet nbdcopy --connections=4 --requests=32 "$(uri s)" back
	same_file data back
	rm back
	quiet "$QEMU_IMG" convert -f raw -O raw "$(uri s)" back
	same_file data back
	quiet "$QEMU_IMG" compare -q -f raw -F raw data "$(uri s)"
	"$QEMU_IO" -f raw -c 'write -q -P 7 1M 100k' -c 'write -q -z 3M 64k' \
	    -c 'discard -q 5M 1M' -c 'flush' -c 'read -q -P 7 1M 100k' \
	    -c 'read -q -P 0 3M 64k' "$(uri s)"
	end_server
	"$QEMU_IO" -f $format -c 'read -q -P 7 1M 100k' \
	    -c 'read -q -P 0 3M 64k' disk.$format
	[ $format = raw ] || quiet "$QEMU_IMG" check -q disk.$format
done
