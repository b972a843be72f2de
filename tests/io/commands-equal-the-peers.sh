#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands on a raw image say what the peer's say and fail where they fail:
# arguments, ranges, sizes, patterns.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/io/io.inc"

both "$QEMU_IMG" create -q -f raw a.raw 1M
both sh -c 'printf hello >pat; printf "%0512d" 7 >chars; : >empty'
same_commands raw a.raw <<'EOF'
write 0 64k;write -q 0 64k;write -C 0 64k;write 1 1;w -f 3 5
write -P 0x5 1 3;read -P 0x5 1 3;read -v 0 20;read -v 1 40;read -P 0xcd 0 64k;read -P 1 0 512
read -P 0xcd -s 2 -l 2 0 4;read -P 5 -s 2 0 4;read -P 5 -l 2 0 4;read -s 1 0 4;read -l 1 0 4;read -P 0xcd -s 5 0 4;read -P 0xcd -l 5 0 4
read -P 300 0 4;read -P -1 0 4;read -P abc 0 4;read -P 0x 0 4;read -P 010 0 4;read;read 0;read 0 1 2
read -z 0 1;read -P;read 1M 1;read 1M 0;read 0 0;read -- 0 1;read 0 -q 1;read -1 1;read 0 -1;read 0 -1k
read 0x200 0x200;read 1k 1K;read 1.5k 512;read 1b 1b;read 1kb 1;read 1kib 1;read 1z 1
read 0 3G;read 0 2G;read 0 2147483647;read 0 2147483136;write 0 2G;discard 0 2147483137
read 9223372036854775807 1;read 9223372036854775808 1;read 99999999999999999999 1;read 16E 1;read 8E 1;read 0 9223372036854775807
read 1e3 1;read 1.1 1;read 1.1k 1;read .5k 1;read 1.k 1;read +1 1;read 1B 1;read 0g 1;read 010 1;read 0X10 1;read 0xz 1;read 0x 1;read nan 1;read 0. 1
write 1M 512;write 1023k 2k;write 1M 0;write 1048577 0;read 1048577 0;discard 1048577 0;write -z 1048577 0;readv 1048577 0
write -z 0 4k;write -z -P 1 0 4k;write -zu 0 4k;write -u 0 4k;write -n 0 4k;write -zn 0 4k;write -z -n 0 3;write -z 1 1;write -z 0 3G;write -zfu 0 4k
write -c 0 4k;write -c -z 0 4k;write -c -f 0 4k;write -b -z 0 4k;write -b 0 4k;write -c 1 1;write -c 512 1;write -b 1 1;read -b 1 1;read -b 512 2;write -c 0 0
write -s none 0 4k;write -s pat 0 40;read -v 0 40;write -s pat 3 3;write -s pat -P 1 0 4k;write -s empty 0 4k;write -s / 0 4k;write -z -s pat 0 4k;write -s pat 0 0
write -s chars 0 512;read -v 0 512;readv -v 500 5 20 1;read -qv 0 4;read -C -v 0 4;read -q -P 1 0 4
write -p 0 4k;write 0 4k 5;write 0;write -Z 0 1;write -1 1;write x 1;write 0 x;write '' 1
write -P 0x100 0 1;write -P 255 0 1;write -P 256 0 1;write -P 0xg 0 1;write -P 1k 0 1;write -P +5 0 1;write -P 99999999999999999999 0 1
discard 0 64k;discard -C 0 64k;discard -q 0 64k;discard 0;discard 1 1;discard 2M 4k;discard -z 0 1;discard 0 0;d 0 1
readv 0 1k 1k;readv -P 1 0 1k 1k;readv 0;readv;readv 0 -1;readv 0 x;readv 0 0;readv 0 1 0;readv -C 0 1k 1k;readv 0 2G;readv 0 1G 1G;readv 2M 512
writev 0 1k 1k;writev -P 7 0 1k 1k;writev -f -q 0 1k;writev -P 777 0 1k;writev -z 0 1k;writev 1 3 5;writev 0 3G;writev 2M 512;writev 0 1 x
aio_read -C 0 64k 64k;aio_flush;aio_read -v 0 16 16;aio_flush;aio_read -P 1 0 64k;aio_flush;aio_read 2M 512;aio_flush;aio_read;aio_read x 1;aio_read -i 0 1
aio_write 0 64k;aio_flush;aio_write -i 0 64k;aio_write -z 0 64k;aio_flush;aio_write -z 0 64k 64k;aio_write -u 0 64k;aio_write -f 0 64k;aio_flush;aio_write 2M 512;aio_flush;aio_flush 1
truncate 2M;length;truncate;truncate 1 2;length;truncate -m full 1M;truncate -m falloc 2M;truncate -m metadata 3M;truncate -m x 3M;truncate -x 1;truncate x;truncate 8E;truncate 1001;length
truncate 1000000000;length;truncate 1234567890;length;truncate 1536;length;truncate 1025k;length;truncate 1T;length;truncate 1099511627264;length;truncate 1M
truncate 0;length;map;info;alloc 0;truncate 1M;l;t 1M;map;map 1;i;info 1
alloc 0;alloc 0 4k;alloc 1 1;alloc 0 2M;alloc 1M;alloc -1;alloc x;alloc;alloc 0 1 2;alloc 0 0;a 0 512;alloc 1048575 2;alloc 9223372036854775807;alloc 3T 1;alloc 1034 1
nope; ;help nope;help read write;READ 0 1;read  0   1;"read" 0 1;flush 1;aio_flush 1;help sleep;help map;help break;help
sleep;sleep x;sleep -1;sleep 1;sleep 0x1;sleep 10x;sigraise;sigraise x;sigraise 0;sigraise 1000;break;break a b;resume a;remove_break a
sigraise 15
reopen;reopen -r;write 0 1;reopen -w;write 0 1;reopen -r -w;reopen -c none;write 0 1;reopen -c x;reopen -o read-only=on -r;reopen -x;reopen 1;reopen -o driver=qcow2;reopen -c none -o cache.direct=off
close;read 0 1;length;close;reopen;help quit;open -o driver=raw a.raw;open a.raw;read 0 1;open
quit 1;read 0 1
q;read 0 1
EOF
same_image a.raw
no_difference
