#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# x-dirty-bitmap shows another context in place of base:allocation, as the
# peer shows it; what is copied is the data all the same.
. "$(dirname "$0")/client.inc"
requires qemu-nbd
requires_oracle
peer_names

quiet "$QEMU_IMG" create -q -f qcow2 disk 8M
quiet "$QEMU_IO" -c 'write -q -P 1 0 8M' disk
quiet "$QEMU_IMG" bitmap --add disk b
quiet "$QEMU_IO" -c 'write -q -P 2 1M 256k' -c 'write -q -P 3 4M 64k' disk
serve s qemu-nbd -k "$PWD/s" -t -r -A -B b -f qcow2 disk
u=$(keys "$PWD/s" x-dirty-bitmap=qemu:dirty-bitmap:b)
same_text "$("$QEMU_IMG" map --output=json --image-opts "$u")" \
    "$("$PEER_IMG" map --output=json --image-opts "$u")" map
"$PEER_IMG" map --output=json --image-opts "$u" | grep -q '"data": false' ||
    fail 'nothing is dirty'
quiet "$COWBIRD_IMG" convert --image-opts "$u" -O raw out
quiet "$QEMU_IMG" compare -q -f raw -F qcow2 -U out disk
u=$(keys "$PWD/s" x-dirty-bitmap=qemu:allocation-depth)
same_text "$("$QEMU_IMG" map --output=json --image-opts "$u")" \
    "$("$PEER_IMG" map --output=json --image-opts "$u")" map
fails_with 1 "did not provide context 'qemu:dirty-bitmap:c'" \
    "$COWBIRD_IMG" info --image-opts \
    "$(keys "$PWD/s" x-dirty-bitmap=qemu:dirty-bitmap:c)"
