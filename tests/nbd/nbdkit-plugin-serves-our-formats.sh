#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The nbdkit plugin serves images as qemu-nbd does: the same map and bytes;
# writes, zeros and trims reach the image; nbdkit's filters go on top; what
# cannot be opened is told before anything is served.
. "$(dirname "$0")/../lib.sh"
requires nbdkit nbdinfo nbdcopy qemu-nbd
requires_plain_build	# nbdkit itself is not built with a sanitizer
requires_oracle
plugin=$BUILD/lib/nbdkit/nbdkit-cowbird-plugin.so
[ -f "$plugin" ] || skip "the plugin is not built (no nbdkit headers)"
kit() { nbdkit -U - "$plugin" "$@"; }

random_file data 3000000
"$QEMU_IMG" create -q -f qcow2 base.qcow2 64M
"$QEMU_IO" -c 'write -s data 1M 3000000' -c 'write -z 20M 1M' base.qcow2 >/dev/null
"$QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
"$QEMU_IO" -c 'write -P 7 2M 64k' -c 'write -c -P 8 30M 64k' top.qcow2 >/dev/null

# The map, as JSON, and the contents.
ours=$(kit -r top.qcow2 --run 'nbdinfo --json --map "$uri"')
qemu-nbd -r -f qcow2 -k "$PWD/sock" --fork --pid-file=pid top.qcow2
theirs=$(nbdinfo --json --map "nbd+unix:///?socket=$PWD/sock")
same_text "$theirs" "$ours" "map of the plugin"
kit -r file=top.qcow2 format=qcow2 --run 'nbdcopy "$uri" got'
"$COWBIRD_IMG" convert -O raw top.qcow2 want
same_file want got

# Writing; parallel connections; what nbdkit can do with it.
random_file disk 33554432
"$COWBIRD_IMG" create -q -f qcow2 new.qcow2 32M
kit new.qcow2 --run 'nbdcopy --connections=4 --flush disk "$uri"'
"$QEMU_IMG" check new.qcow2 >/dev/null
"$QEMU_IMG" compare -f raw -F qcow2 disk new.qcow2 >/dev/null
kit new.qcow2 --run "$QEMU_IO -f raw -c 'write -z -u 1M 1M' -c 'discard 4M 1M' \
    -c 'write -f -P 5 0 4k' \"\$uri\"" >/dev/null
"$COWBIRD_IMG" check -q new.qcow2
"$COWBIRD_IO" -r -c 'read -P 0 1M 1M' -c 'read -P 0 4M 1M' \
    -c 'read -P 5 0 4k' new.qcow2 >/dev/null
matches 'is_read_only: *true' <(kit -r new.qcow2 --run 'nbdinfo "$uri"')
same_text 1048576 "$(nbdkit -U - --filter=offset "$plugin" new.qcow2 \
    offset=1M range=1M --run 'nbdinfo --size "$uri"')" "size through a filter"

# Errors.
fails_with 1 'nosuch.*No such file' kit nosuch --run true
fails_with 1 "unknown parameter 'foo'" kit new.qcow2 foo=1 --run true
fails_with 1 'cache=x is not known' kit new.qcow2 cache=x --run true
fails_with 1 'snapshot' kit new.qcow2 snapshot=none --run true
fails_with 1 'no image is named' kit --run true
