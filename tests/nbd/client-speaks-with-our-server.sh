#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Our client and our server: what is written through one is in the image
# behind the other, and its holes are seen as they are.
. "$(dirname "$0")/client.inc"
requires "$COWBIRD_NBD"

random_file src 12M
truncate -s 40M src
dd if=/dev/urandom of=src bs=1M seek=30 count=2 conv=notrunc status=none
u=$(uri "$PWD/s")
for format in raw qcow2; do
	rm -f disk
	quiet "$COWBIRD_IMG" create -q -f $format disk 40M
	serve s "$COWBIRD_NBD" -k "$PWD/s" -t -e 8 -f $format --discard=unmap disk
	quiet "$COWBIRD_IMG" convert -n -f raw -O raw src "$u"
	quiet "$COWBIRD_IMG" compare -q -f raw -F raw "$u" src
	same_text "$("$COWBIRD_IMG" map --output=json -f raw src)" \
	    "$("$COWBIRD_IMG" map --output=json -f raw "$u")" map
	quiet "$COWBIRD_IO" -f raw -c 'write -q -P 5 100 70000' -c flush \
	    -c 'discard -q 1M 1M' -c 'write -q -z 3M 64k' \
	    -c 'read -q -P 5 100 70000' -c 'read -q -P 0 1M 1M' \
	    -c 'read -q -P 0 3M 64k' "$u"
	quiet "$COWBIRD_IMG" convert -f raw -O raw "$u" out
	end_server
	quiet "$COWBIRD_IMG" compare -q -f raw -F $format out disk
	"$COWBIRD_IMG" check -f $format disk >/dev/null 2>&1 ||
	    [ $format = raw ] || fail 'the image is damaged'
done
