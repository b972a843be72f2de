#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands on standard input: the peer's prompt and answers under its name,
# no prompt under ours.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/io/io.inc"

both "$QEMU_IMG" create -q -f raw a.raw 1M
for input in '' 'read 0 1\nlength\n' 'read 0 1\nnope\nquit\nlength\n' nope \
    '# comment\n\n   length   \n\tlength\t\nlength;length\n' \
    'length\r\nlength\0foo\nlength\n' 'quit\n' \
    'close\nlength\nopen -o driver=raw a.raw\nlength\n' \
    'aio_read 0 1\naio_flush\nlength\nquit'; do
	same -f raw a.raw
done
input='length\n'
same
no_difference

same_text "1 MiB" "$(echo length | "$COWBIRD_IO" -f raw ours/a.raw)"
