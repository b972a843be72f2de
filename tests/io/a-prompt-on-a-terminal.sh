#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a terminal there is a prompt with the tool's name, and commands work.
. "$(dirname "$0")/../lib.sh"
requires script

"$COWBIRD_IMG" create -q -f raw a.raw 1M
export TERM=dumb
{ sleep 0.5; echo length; sleep 0.2; echo 'aio_read 0 512'; sleep 0.5;
    echo quit; sleep 0.2; } |
    script -qec "$COWBIRD_IO -f raw a.raw" /dev/null >out
matches 'cowbird-io> ' out
matches '1 MiB' out
matches 'read 512/512 bytes at offset 0' out
