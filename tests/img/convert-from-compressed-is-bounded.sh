#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unpacking takes little memory, whatever the file asks for; zeros take no
# room; a TMPDIR that is full, or not there, is said in one line.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/unpack.so" ] || skip "needs the module unpack"
requires xz zstd gzip python3
small_tmpfs 8 small

# A bomb: 1 GiB of zeros, on a small file system.
truncate -s 64M zeros
zstd -q zeros -o zeros.zst
for _ in $(seq 16); do cat zeros.zst; done >bomb.zst
quiet env TMPDIR="$PWD/small" $COWBIRD_IMG convert bomb.zst out
[ "$(stat -c %s out)" -eq $((1 << 30)) ] || fail "out is $(stat -c %s out)"
[ "$(stat -c %b out)" -le 100 ] || fail "zeros take room"
rm out

random_file disk.raw 12M
gzip -1 <disk.raw >disk.gz
xz -0 -T2 --block-size=1MiB <disk.raw >disk.xz
for file in disk.gz disk.xz; do
	fails_with 1 "the temporary file in '.*small' has no room.*TMPDIR" \
	    env TMPDIR="$PWD/small" $COWBIRD_IMG convert $file out
	[ "$(wc -l <stderr)" -eq 1 ] || fail "more than a line"
	[ ! -e out ] || fail "out is there"
	fails_with 1 "temporary file in '/nonexistent'" \
	    env TMPDIR=/nonexistent $COWBIRD_IMG convert $file out
done

# A dictionary larger than the limit; a block header is all it takes.
head -c 1M disk.raw >piece
xz --lzma2=dict=256MiB <piece >large.xz
fails_with 1 "needs 256 MiB of memory, more than the limit" \
    $COWBIRD_IMG convert large.xz out
zstd -q --ultra -22 --long=28 <piece >large.zst
fails_with 1 "needs 256 MiB of memory, more than the limit" \
    $COWBIRD_IMG convert large.zst out
# What the tools make with their largest levels is read.
xz -9 <piece >nine.xz
zstd -q --ultra -22 <piece >ultra.zst
for file in nine.xz ultra.zst; do
	quiet $COWBIRD_IMG convert $file out
	same_file piece out
done

case $BUILD in
*/san | */tsan) exit 0 ;;
esac
for file in disk.gz disk.xz; do
	kib=$(python3 -c "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)" \
	    $COWBIRD_IMG convert -m 2 $file out)
	same_file disk.raw out
	[ "$kib" -le 40000 ] || fail "$file takes $kib KiB"
done
