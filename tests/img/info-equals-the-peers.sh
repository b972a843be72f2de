#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# info says the same as the peer, to the byte: text, JSON, whole chains, of
# images with everything a qcow2 header can name.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/peer.sh"
export TZ=Europe/Berlin

compare() {
	same_as_peer info "$@"
	same_as_peer info --output=json "$@"
	same_as_peer info --backing-chain "$@"
	same_as_peer info --backing-chain --output=json "$@"
}
make() {
	"$QEMU_IMG" create -q "$@"
}

make -f raw raw 1M
make -f raw empty 0
head -c 1000 /dev/urandom >odd
make -f qcow2 base 4M
make -f qcow2 -o compat=0.10 old 1M
make -f qcow2 -o extended_l2=on,cluster_size=128k,compression_type=zstd,lazy_refcounts=on,refcount_bits=1 all 1G
make -f qcow2 -o preallocation=metadata,cluster_size=512 small 1M
make -f qcow2 -o data_file=data.raw ext 1M
make -f qcow2 -o data_file=data2.raw,data_file_raw=on extraw 1M
make -f qcow2 -b base -F qcow2 mid
make -f qcow2 -b mid -F qcow2 top 8M
mkdir sub 'a b,c'
make -f qcow2 -b ../base -F qcow2 sub/rel
make -f qcow2 -b "$PWD/base" -F qcow2 sub/abs
make -f qcow2 -u -b missing -F raw sub/missing 1M
make -f qcow2 -o compat=0.10 -b base -F qcow2 'a b,c/ümläut "q"' 2>/dev/null ||
    make -f qcow2 -u -o compat=0.10 -b base -F qcow2 'a b,c/ümläut "q"' 1M
make -f qcow2 bitmaps 10M
"$QEMU_IMG" bitmap --add -g 64k bitmaps first
"$QEMU_IMG" bitmap --add --disable -g 4k bitmaps 'second one'
make -f qcow2 snaps 10M
"$QEMU_IO" -c 'write 0 1M' snaps >/dev/null
"$QEMU_IMG" snapshot -c one snaps
"$QEMU_IMG" snapshot -c 'a name longer than its column' snaps
"$QEMU_IMG" snapshot -c three snaps
"$QEMU_IMG" snapshot -d one snaps
make -f qcow2 -o lazy_refcounts=on dirty 1M
("$QEMU_IO" -c 'write 0 64k' -c abort dirty >/dev/null 2>&1 || true) 2>/dev/null
make -f qcow2 corrupt 1M
printf '\002' | dd of=corrupt bs=1 seek=79 conv=notrunc status=none
make -f qcow2 --object secret,id=s,data=abc -o encrypt.format=aes,encrypt.key-secret=s -b base -F qcow2 aes
# The snapshots of snaps with less extra data, as older programs wrote it;
# times of day and clocks that need every column.
python3 - <<'END'
import struct, shutil
shutil.copy('snaps', 'oldsnaps')
f = open('oldsnaps', 'r+b')
def u(off, n):
    f.seek(off)
    return int.from_bytes(f.read(n), 'big')
count, at = u(60, 4), u(64, 8)
f.seek(at)
data = f.read(4096)
out, p = b'', 0
for i in range(count):
    head = bytearray(data[p:p + 40])
    ids, names, extra = struct.unpack('>H', head[12:14])[0], struct.unpack('>H', head[14:16])[0], struct.unpack('>I', head[36:40])[0]
    rest = data[p + 40 + extra:p + 40 + extra + ids + names]
    p = (p + 40 + extra + ids + names + 7) & ~7
    extra_data = struct.pack('>QQ', (5 << 30) * i, 10 << 20)
    head[16:20] = struct.pack('>I', 86399 + i * 1000000000)
    head[24:32] = struct.pack('>Q', 123456789012345 * (i + 1))
    head[36:40] = struct.pack('>I', 16)
    head[32:36] = struct.pack('>I', (1 << 20) * i)
    e = bytes(head) + extra_data + rest
    out += e + b'\0' * (-len(e) % 8)
f.seek(at)
f.write(out)
END

for image in raw empty odd base old all small ext extraw mid top sub/rel \
    sub/abs sub/missing bitmaps snaps oldsnaps dirty corrupt aes \
    'a b,c/ümläut "q"' missing . ./base "$PWD/top" file:base; do
	compare "$image"
done
compare -f raw base
compare -f qcow2 raw
compare -f nosuch base
compare -U base
compare --image-opts driver=qcow2,file.filename=base
compare --image-opts driver=qcow2,file.driver=file,file.filename=top
compare 'json:{"driver":"qcow2","file":{"driver":"file","filename":"base"}}'
compare 'json:{"file":{"filename":"top"}}'
compare 'json:{"file.filename":"top"}'

# Chains that never end.
make -f qcow2 -u -b loop2 -F qcow2 loop1 1M
make -f qcow2 -u -b loop1 -F qcow2 loop2 1M
compare loop1
make -f qcow2 -u -b missing -F qcow2 above 1M
compare above
make -f qcow2 -b raw -F raw onraw
compare onraw
no_difference
