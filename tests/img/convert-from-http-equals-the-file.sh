#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What convert reads from a web server is the file there: raw, qcow2, empty,
# with small and large blocks, and a qcow2 with its backing image on the
# server; looking at it costs a few requests.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"

random_file disk.raw 9000448
truncate -s 40M disk.raw
dd if=/dev/urandom of=disk.raw bs=1M seek=30 count=3 conv=notrunc 2>/dev/null
$COWBIRD_IMG convert -O qcow2 disk.raw disk.qcow2
: >empty
web

for name in disk.raw disk.qcow2; do
	quiet $COWBIRD_IMG convert "$web/$name" out
	same_file disk.raw out
	for readahead in 512 64k 64M; do
		quiet $COWBIRD_IMG convert --image-opts \
		    "driver=${name#*.},file.driver=http,file.url=$web/$name,file.readahead=$readahead,file.timeout=20" out
		same_file disk.raw out
	done
	quiet $COWBIRD_IMG convert -m 16 -W "$web/$name" out
	same_file disk.raw out
done
quiet $COWBIRD_IMG convert "$web/empty" out
same_file empty out
quiet $COWBIRD_IMG convert "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"http\",\"url\":\"$web/disk.raw\"}}" out
same_file disk.raw out

$COWBIRD_IMG create -q -f qcow2 -b "$web/disk.qcow2" -F qcow2 over.qcow2
quiet $COWBIRD_IMG convert --allow-external over.qcow2 out
same_file disk.raw out
fails_with 64 "refused to follow" $COWBIRD_IMG convert over.qcow2 out

# A file that is stored compressed, which the server calls its encoding.
gzip -1 <disk.raw >disk.raw.gz
web encoding=gzip
quiet $COWBIRD_IMG convert "$web/disk.raw.gz" out
same_file disk.raw out
web

# One request tells the size and brings what info wants to see.
: >log
$COWBIRD_IMG info "$web/disk.qcow2" >info
matches "^virtual size: 40 MiB" info
matches "^disk size: unavailable" info
[ "$(wc -l <log)" -le 3 ] || fail "info takes $(wc -l <log) requests"

# Front to back each byte is asked for once.
: >log
$COWBIRD_IMG convert -f raw "$web/disk.raw" out
bytes=$(($(sed -n 's/.*bytes=\([0-9]*\)-\([0-9]*\).*/\2-\1+1/p' log |
    paste -sd+)))
[ "$bytes" -le $((41943040 + 262144)) ] || fail "$bytes bytes are fetched"
