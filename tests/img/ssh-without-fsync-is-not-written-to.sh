#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that cannot flush is read, but written to only by who wants no
# flushes (convert does not, as the peer, unless told otherwise).
SFTP_SERVER='internal-sftp -P fsync'
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start

random_file disk 1M
"$COWBIRD_IMG" compare -f raw -F raw disk "$SSH_URL/disk" >/dev/null
fails_with 1 'server has no fsync@openssh.com' \
    "$COWBIRD_IO" -f raw -c 'write 0 4k' "$SSH_URL/disk"
fails_with 1 'server has no fsync@openssh.com' \
    "$COWBIRD_IMG" create -f qcow2 "$SSH_URL/new" 1M
[ ! -e new ] || [ ! -s new ] || fail "something was made all the same"
quiet "$COWBIRD_IO" -f raw -t unsafe -c 'write -P 9 0 4k' "$SSH_URL/disk" >/dev/null
"$COWBIRD_IO" -f raw -c 'read -P 9 0 4k' disk >/dev/null
quiet "$COWBIRD_IMG" convert -f raw -O qcow2 "$SSH_URL/disk" "$SSH_URL/copy"
quiet "$COWBIRD_IMG" compare -q disk copy
fails_with 1 'server has no fsync@openssh.com' \
    "$COWBIRD_IMG" convert -f raw -t none -O qcow2 disk "$SSH_URL/copy"
