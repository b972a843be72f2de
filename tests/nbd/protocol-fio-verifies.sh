#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random writes of all sizes by four connections read back as they were
# written, while a fifth client reads everything: cached, and past the page
# cache.
. "$(dirname "$0")/protocol.inc"
requires fio nbdcopy
requires_oracle
fio --enghelp | grep -qw nbd || skip "fio without its nbd engine"

for format in raw qcow2; do
	for cache in writeback none; do
		rm -f disk
		"$QEMU_IMG" create -q -f $format disk 64M
		serve s "$COWBIRD_NBD" -e 0 --cache=$cache -f $format disk
		{ while nbdcopy "$(uri s)" null: 2>/dev/null; do :; done; } &
		fio --name=v --ioengine=nbd "--uri=$(uri s)" --thread \
		    --rw=randwrite --bsrange=512-128k --iodepth=16 \
		    --size=12M --offset_increment=16M --numjobs=4 \
		    --verify=crc32c --randseed=7 --output=fio.log ||
		    { cat fio.log >&2; fail "$format $cache"; }
		end_server
		wait
		[ $format = raw ] || quiet "$QEMU_IMG" check -q disk
	done
done
