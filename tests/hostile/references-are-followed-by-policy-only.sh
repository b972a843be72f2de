#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Names found inside an image are data: only plain paths to regular files are
# followed, data files only in the image's own folder; anything else is
# refused with exit code 64 and one line, by every command, unless it is
# allowed.  Under the peer's name it is as the peer has it.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/hostile/hostile.inc"
requires_plain_build
peer_names

random_file secret 1048576
cp secret before
mkdir sub outside
cp secret outside/secret
mkfifo fifo
ln -s /proc/self/maps to-proc
ln -s fifo to-fifo
ln -s /dev/zero to-zero
refuse() {
	refused 64 '^cowbird-i[mo][g:].*refused to follow .*--allow-external' \
	    "$@"
	[ ! -e out ] || fail "a target was made: $*"
}

turn=0
commands=(
	"convert -O raw image out"
	"compare image secret"
	"compare secret image"
	"measure -O qcow2 image"
	"resize image 2M"
	"commit image"
	"rebase -b secret -F raw image"
	"dd if=image of=out"
	"bench -c 1 image"
	"create -f qcow2 -b image -F qcow2 out"
)
for name in 'json:{"driver":"raw","file":{"driver":"file","filename":"secret"}}' \
    'json:{}' nbd:localhost:10809 nbd://127.0.0.1/x nbd+unix:///x?socket=s \
    http://127.0.0.1/x https://127.0.0.1/x ftp://127.0.0.1/x fat:/tmp \
    ssh://127.0.0.1/x rbd:pool/x gluster://127.0.0.1/x nosuch:x \
    /proc/self/maps /proc/self/environ /proc/1/root/etc/passwd \
    /sys/kernel/uevent_seqnum /dev/null /dev/zero /dev/tty /dev/random \
    /dev/stdin /dev/fd/0 fifo to-proc to-fifo to-zero sub/../fifo \
    "$PWD/fifo" file:fifo file:/dev/zero; do
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$name" -F raw image 1M
	cp image image.before
	refuse "$COWBIRD_IMG" map image
	refuse "$COWBIRD_IMG" info --backing-chain image
	refuse "$COWBIRD_IO" -f qcow2 -c 'write 0 4k' image
	for ((i = 0; i < 3; i++)); do
		command=${commands[turn++ % ${#commands[@]}]}
		code=64
		# shellcheck disable=SC2086
		refuse "$COWBIRD_IMG" $command
	done
	# In the middle of a chain.
	"$COWBIRD_IMG" create -q -u -f qcow2 -b image -F qcow2 top 1M
	refuse "$COWBIRD_IMG" map top
	refuse "$COWBIRD_IMG" map --image-opts driver=qcow2,file.filename=image
	# These look at the one file.
	for command in 'info image' 'info --output=json image' 'check image' \
	    'info top'; do
		# shellcheck disable=SC2086
		bounded 5 "$COWBIRD_IMG" $command
		[ $rc -eq 0 ] || { cat stderr >&2; fail "$command of $name"; }
	done
	# The peer tries, and none of these waits for anybody.
	bounded 5 "$PEER_IMG" map image
	[ $rc -le 1 ] || fail "map of $name as the peer: $rc"
	same_file image.before image
done

# Plain paths are followed, and allowed is allowed.
for name in secret ./secret "$PWD/secret" sub/../secret file:secret \
    outside/secret; do
	"$COWBIRD_IMG" create -q -u -f qcow2 -b "$name" -F raw image 1M
	quiet "$COWBIRD_IMG" compare -q image secret
done
"$COWBIRD_IMG" create -q -u -f qcow2 -b /dev/zero -F raw image 1M
quiet "$COWBIRD_IMG" map --allow-external image >/dev/null
"$COWBIRD_IMG" create -q -u -f qcow2 -F raw -b \
    'json:{"driver":"raw","file":{"driver":"file","filename":"secret"}}' \
    image 1M
quiet "$COWBIRD_IMG" compare --allow-external -q image secret
quiet "$PEER_IMG" compare -q -F raw image secret

# Data files.
"$COWBIRD_IMG" create -q -f qcow2 -o data_file=data image 1M
"$COWBIRD_IO" -f qcow2 -c 'write -q -P 3 0 64k' image
# data_name NAME: image, with that name in place of "data".
data_name() {
	local at
	at=$(grep -abo DATA image | head -n 1 | cut -d: -f1)
	put image $((at + 4)) 4 ${#1}
	head -c 256 /dev/zero | bytes_at image $((at + 8))
	printf %s "$1" | bytes_at image $((at + 8))
}
cp image image.before
for name in outside/secret ../secret "$PWD/outside/secret" /etc/passwd \
    /proc/self/maps /dev/zero /dev/null fifo to-zero to-proc nbd:x:1 \
    'json:{"driver":"raw","file":{"driver":"file","filename":"data"}}'; do
	cp image.before image
	data_name "$name"
	[ "$name" != ../secret ] || { cp image sub/image; cd sub; }
	refuse "$COWBIRD_IMG" map image
	refuse "$COWBIRD_IMG" convert -O raw image out
	refuse "$COWBIRD_IMG" resize image 2M
	refuse "$COWBIRD_IO" -f qcow2 -c 'write 0 64k' image
	bounded 5 "$COWBIRD_IMG" info image
	[ $rc -eq 0 ] || { cat stderr >&2; fail "info, data file $name"; }
	cd "$TEST_TMP"
done
cp image.before image
data_name "$PWD/data"
quiet "$COWBIRD_IO" -r -f qcow2 -c 'read -q -P 3 0 64k' image
cp image.before image
data_name outside/secret
quiet "$COWBIRD_IMG" map --allow-external image >/dev/null
quiet "$PEER_IMG" map image >/dev/null
same_file before secret
same_file before outside/secret
