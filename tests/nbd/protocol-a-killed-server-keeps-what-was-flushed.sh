#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that is killed while clients write leaves an image that holds all
# that was flushed; every client ends, with an error.
. "$(dirname "$0")/protocol.inc"
requires nbdcopy
requires_oracle

random_file data 2097152
for ((round = 0; round < 5; round++)); do
	rm -f disk
	"$QEMU_IMG" create -q -f qcow2 disk 64M
	serve s "$COWBIRD_NBD" -e 0 -f qcow2 disk
	quiet nbdcopy --flush data "$(uri s)"
	for ((i = 0; i < 3; i++)); do
		rc=0
		timeout 30 "$QEMU_IO" -f raw -c "aio_write -q -z 4M 4M" \
		    -c "$(printf 'write -q -P 3 %dM 1M\n' \
		    $((8 + i * 8)) $((9 + i * 8)) $((10 + i * 8)))" \
		    -c 'sleep 300' -c 'write -q -P 4 40M 8M' \
		    -c 'flush' "$(uri s)" >"client.$i" 2>&1 &
		clients[i]=$!
	done
	sleep "0.$((round + 1))"
	kill -9 "$SERVER"
	for ((i = 0; i < 3; i++)); do
		rc=0
		wait "${clients[i]}" || rc=$?
		[ $rc -ne 124 ] || fail 'a client hangs'
	done
	rc=0
	"$QEMU_IMG" check -q disk >check 2>&1 || rc=$?
	[ $rc -eq 0 ] || [ $rc -eq 3 ] || { cat check >&2; fail "check: $rc"; }
	"$QEMU_IMG" dd -f qcow2 -O raw bs=2M count=1 if=disk of=front
	same_file data front
done
