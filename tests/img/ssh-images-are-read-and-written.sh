#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images on another machine, by SFTP: every tool reads and writes them, raw and
# qcow2, with and without a backing file there.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start

random_file raw $((9 << 20 | 512))	# more than the requests in flight hold
truncate -s 32M raw

quiet "$COWBIRD_IMG" convert -f raw -O qcow2 raw "$SSH_URL/a.qcow2"
quiet "$COWBIRD_IMG" check -q a.qcow2
quiet "$COWBIRD_IMG" compare -q raw a.qcow2
quiet "$COWBIRD_IMG" check -q "$SSH_URL/a.qcow2"
quiet "$COWBIRD_IMG" compare -q raw "$SSH_URL/a.qcow2"
quiet "$COWBIRD_IMG" convert -O raw "$SSH_URL/a.qcow2" "$SSH_URL/b.raw"
same_file raw b.raw
quiet "$COWBIRD_IMG" convert -f raw -O raw "$SSH_URL/b.raw" back
same_file raw back

"$COWBIRD_IMG" info "$SSH_URL/a.qcow2" >info
matches "^image: $SSH_URL/a.qcow2\$" info
matches '^virtual size: 32 MiB' info
matches '^disk size: unavailable' info

# A name with what has a meaning in names.
quiet "$COWBIRD_IMG" create -q -f qcow2 "$SSH_URL/a%20%3fb" 1M
quiet "$COWBIRD_IMG" check -q './a ?b'
# A backing file beside it is found there.
quiet "$COWBIRD_IMG" create -q -f qcow2 -F qcow2 -b a.qcow2 "$SSH_URL/top"
quiet "$COWBIRD_IO" -c 'write -P 7 1M 256k' -c 'flush' \
    -c 'discard 4M 4M' -c 'write -z 12M 1M' "$SSH_URL/top" >/dev/null
quiet "$COWBIRD_IO" -c 'read -P 7 1M 256k' -c 'read -P 0 12M 1M' "$SSH_URL/top" >out
! grep -i fail out || fail "what was written is not read back"
quiet "$COWBIRD_IMG" check -q top
quiet "$COWBIRD_IMG" create -q -f qcow2 -F qcow2 -b "$SSH_URL/a.qcow2" far
fails_with 64 'refused to follow .*--allow-external' "$COWBIRD_IMG" map far
quiet "$COWBIRD_IMG" compare -q --allow-external far raw
mkdir other
(cd other && fails_with 1 'cannot open it: No such file' "$COWBIRD_IMG" map "$SSH_URL/other/none")
quiet "$COWBIRD_IMG" resize -q "$SSH_URL/top" 64M
quiet "$COWBIRD_IMG" resize -q --shrink -f raw "$SSH_URL/b.raw" 1M
[ "$(stat -c %s b.raw)" -eq $((1 << 20)) ] || fail "b.raw was not cut"

# By options instead of a name.
"$COWBIRD_IMG" compare --image-opts \
    "driver=qcow2,file.driver=ssh,file.server.host=127.0.0.1,file.server.port=$SSH_PORT,file.path=$TEST_TMP/a.qcow2" \
    driver=raw,file.filename=raw >/dev/null
"$COWBIRD_IMG" compare raw \
    "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"ssh\",\"host\":\"127.0.0.1\",\"port\":$SSH_PORT,\"path\":\"$TEST_TMP/a.qcow2\"}}" \
    >/dev/null
