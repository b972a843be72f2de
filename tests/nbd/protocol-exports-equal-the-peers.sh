#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a client is told of an export (size, flags, block sizes, contexts,
# description) is what the peer tells for the same options.
. "$(dirname "$0")/protocol.inc"
requires qemu-nbd nbdinfo
requires_oracle

"$QEMU_IMG" create -q -f raw a.raw 10M
"$QEMU_IMG" create -q -f raw odd.raw 1000001
"$QEMU_IMG" create -q -f qcow2 b.qcow2 10M
"$QEMU_IMG" bitmap --add b.qcow2 one
"$QEMU_IMG" bitmap --add b.qcow2 two

# told CMD OPTION...
told() {
	serve s "$@"
	nbdinfo --list "$(uri s)"
	end_server
}

while read -r options; do
	# shellcheck disable=SC2086
	same_text "$(told qemu-nbd $options)" \
	    "$(told "$COWBIRD_NBD" $options)" "export with $options"
done <<-'EOF'
	-f raw a.raw
	-r -f raw a.raw
	-e 5 -f raw a.raw
	-r -e 0 -f raw a.raw
	-f raw odd.raw
	-x name -D description -f raw a.raw
	-o 4096 -f raw a.raw
	-f qcow2 b.qcow2
	-A -B one -f qcow2 b.qcow2
	-r -A -B two -e 3 -f qcow2 b.qcow2
	-s -f qcow2 b.qcow2
EOF
