#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images are converted from exports and into them, raw and qcow2, and the peer
# finds the same in them, holes included.
. "$(dirname "$0")/client.inc"
requires nbdkit qemu-nbd
requires_oracle
peer_names

random_file src 20M
truncate -s 60M src
dd if=/dev/urandom of=src bs=1M seek=50 count=5 conv=notrunc status=none
quiet "$QEMU_IMG" convert -f raw -O qcow2 src src.qcow2
u=$(uri "$PWD/s")

same_map() {
	same_text "$("$QEMU_IMG" map --output=json "$@")" \
	    "$("$PEER_IMG" map --output=json "$@")" "map"
}

read_all() {
	same_map -f raw "$u"
	quiet "$COWBIRD_IMG" convert -f raw "$u" out.raw
	same_file src out.raw
	quiet "$COWBIRD_IMG" convert -f raw -O qcow2 "$u" out.qcow2
	quiet "$QEMU_IMG" compare -q out.qcow2 src
	quiet "$COWBIRD_IMG" compare -q -f raw "$u" src.qcow2
}

# From: a file with holes, one connection only, no structured replies, a
# qcow2 that the server reads.
nbdkit_at s -r file src
read_all
end_server
nbdkit_at s --filter=multi-conn file src multi-conn-mode=disable
read_all
end_server
serve s nbdkit -f --no-sr -U %s file src
quiet "$COWBIRD_IMG" convert -f raw "$u" out.raw
same_file src out.raw
end_server
serve s qemu-nbd -k "$PWD/s" -t -e 8 -r -f qcow2 src.qcow2
read_all
end_server

# To: memory that has something else in it.
nbdkit_at s memory 60M
quiet "$COWBIRD_IO" -f raw -c 'write -q -P 9 0 60M' "$u"
quiet "$COWBIRD_IMG" convert -O raw src.qcow2 "$u"
quiet "$QEMU_IMG" compare -q -f raw -F raw "$u" src
same_map -f raw "$u"
# An image inside the export.
quiet "$COWBIRD_IO" -f raw -c 'write -q -P 9 0 60M' "$u"
quiet "$COWBIRD_IMG" convert -f raw -O qcow2 src "$u"
"$COWBIRD_IMG" check "$u" >/dev/null
"$QEMU_IMG" check "$u" >/dev/null
quiet "$COWBIRD_IMG" compare -q "$u" src
same_map "$u"
quiet "$COWBIRD_IO" -c 'write -q -P 7 1M 64k' -c 'read -q -P 7 1M 64k' \
    -c flush -c 'discard -q 1M 64k' -c 'write -q -z 2M 1M' \
    -c 'read -q -P 0 2M 1M' "$u"
"$QEMU_IMG" check "$u" >/dev/null
# It does not fit.
fails_with 1 'Cannot grow NBD nodes' "$COWBIRD_IMG" convert -f raw -O raw \
    src -O raw src "$u"
random_file large 70M
fails_with 1 'No space left on device' "$COWBIRD_IMG" convert -f raw \
    -O qcow2 large "$u"
end_server

serve s qemu-nbd -k "$PWD/s" -t -f qcow2 src.qcow2
quiet "$COWBIRD_IMG" convert -n -f raw -O raw src "$u"
quiet "$COWBIRD_IO" -f raw -c 'write -q -P 3 100 5000' -c flush "$u"
same_text "$("$QEMU_IO" -f raw -r -c 'read -P 3 100 5000' "$u" | head -1)" \
    'read 5000/5000 bytes at offset 100'
