#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A full disk on the server is an error, and told as what it is, although SFTP
# has no word for it.
. "$(dirname "$0")/../lib.sh"
need_root			# a server's own mount needs it
small_tmpfs 4 full
. "$SRC/tests/support/sshd.sh"
sshd_start

random_file disk 8M
fails_with 1 'No space left on device' \
    "$COWBIRD_IMG" convert -f raw -O raw disk "$SSH_URL/full/copy"
fails_with 1 'No space left on device' \
    "$COWBIRD_IMG" convert -f raw -O qcow2 disk "$SSH_URL/full/copy"
rm -f full/*
truncate -s 8M full/sparse
"$COWBIRD_IO" -f raw -c 'write 0 8M' -c 'write 0 4k' "$SSH_URL/full/sparse" >out 2>&1 || true
grep -q 'No space left on device' out
