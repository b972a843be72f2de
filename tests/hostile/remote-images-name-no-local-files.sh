#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An image that comes from a server, as an NBD export or by HTTP, packed or
# not, is not shown files of this machine: absolute paths in it are refused
# with exit code 64, for backing files and data files, unless that is allowed.
# Under the peer's name they are followed as the peer does.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
[ -e "$BUILD/lib/cowbird/nbd.so" ] || skip "built without libnbd"
requires "$COWBIRD_NBD"
peer_names

random_file secret 1M
cp secret before
# export_of FILE: a server of these bytes, as $uri.
servers=0
export_of() {
	local sock=$PWD/sock$((++servers))
	"$COWBIRD_NBD" -t -f raw -k "$sock" "$1" 2>server.err &
	cleanup_fn eval "kill $! 2>/dev/null; wait $! 2>/dev/null"
	for _ in {1..200}; do
		[ ! -S "$sock" ] || break
		sleep 0.05
	done
	[ -S "$sock" ] || { cat server.err >&2; fail "no server"; }
	uri="nbd+unix:///?socket=$sock"
}
local_path='^cowbird-i[mo][g:].*refused to follow .*local.*--allow-external'

# both URI: refused by every command that would look at the file behind it,
# followed by who allows it.
both() {
	refused 64 "$local_path" "$COWBIRD_IMG" map "$1"
	refused 64 "$local_path" "$COWBIRD_IMG" convert -O raw "$1" out
	refused 64 "$local_path" "$COWBIRD_IMG" compare "$1" secret
	refused 64 "$local_path" "$COWBIRD_IMG" info --backing-chain "$1"
	refused 64 "$local_path" "$COWBIRD_IO" -r -c 'read 0 4k' "$1"
	[ ! -e out ] || fail "a target was made"
	quiet "$COWBIRD_IMG" info "$1" >stdout
	quiet "$COWBIRD_IMG" compare --allow-external -q "$1" secret
}

for name in "$PWD/secret" "file:$PWD/secret" file:secret; do
	rm -f image
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$name" -F raw image 1M
	# Here it is followed.
	quiet "$COWBIRD_IMG" compare -q image secret
	export_of image
	both "$uri"
	quiet "$PEER_IMG" compare -q -f qcow2 -F raw "$uri" secret
	refused 64 "$local_path" "$COWBIRD_IMG" map --image-opts \
	    "driver=qcow2,file.driver=nbd,file.server.type=unix,file.server.path=$PWD/sock$servers"
	# What the user names is his.
	quiet "$COWBIRD_IMG" map --image-opts \
	    "driver=qcow2,file.driver=nbd,file.server.type=unix,file.server.path=$PWD/sock$servers,backing.driver=raw,backing.file.filename=$PWD/secret" >stdout
	# In the middle of a chain, which may be followed up to there.
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$uri" -F qcow2 top 1M
	refused 64 'refused to follow' "$COWBIRD_IMG" map top
	quiet "$COWBIRD_IMG" compare --allow-external -q top secret
done

# A data file, whose name needs no folder to be someone else's.
rm -f image
"$COWBIRD_IMG" create -q -f qcow2 -o data_file=data image 1M
"$COWBIRD_IO" -f qcow2 -c 'write -q -s secret 0 1M' image
at=$(grep -abo DATA image | head -n 1 | cut -d: -f1)
put image $((at + 4)) 4 $((${#PWD} + 5))
printf %s "$PWD/data" | bytes_at image $((at + 8))
quiet "$COWBIRD_IMG" compare -q image secret
export_of image
both "$uri"

# By HTTP, and packed: what is unpacked lies here, but comes from there.
if [ -e "$BUILD/lib/cowbird/curl.so" ] && command -v python3 >/dev/null; then
	. "$SRC/tests/support/web.sh"
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$PWD/secret" -F raw far 1M
	web
	both "$web/far"
	if [ -e "$BUILD/lib/cowbird/unpack.so" ]; then
		gzip -k far
		refused 64 "$local_path" "$COWBIRD_IMG" convert "$web/far.gz" out
		[ ! -e out ] || fail "a target was made"
		quiet "$COWBIRD_IMG" convert --allow-external "$web/far.gz" out
		same_file secret out
		mv far.gz near.gz
		quiet "$COWBIRD_IMG" convert near.gz out
		same_file secret out
	fi
fi
same_file before secret
