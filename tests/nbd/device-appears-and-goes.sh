#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# "--connect=/dev/nbdN --format= --discard= FILE" and "--disconnect /dev/nbdN",
# as incus, nova and mount-image-callback have them: the disk is there when the
# command returns, and what was written to it when it is gone.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
need_root

device=/dev/nbd15
[ -b $device ] && (: <$device) 2>/dev/null ||
    skip "needs the kernel's nbd driver (modprobe nbd)"
random_file raw 1M
cp raw copy
"$COWBIRD_NBD" --connect=$device --format=raw --discard=unmap --pid-file pid raw
cleanup_fn "$COWBIRD_NBD" -d $device
read -r server <pid
same_file copy $device
random_file other 1M
dd if=other of=$device bs=64k conv=fsync 2>/dev/null
"$COWBIRD_NBD" --disconnect $device
within 10 gone "$server"
same_file other raw
