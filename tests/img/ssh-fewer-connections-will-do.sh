#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Parallel work opens several connections; where the server refuses some of
# them, those that there are do all of it.
SSHD_STARTUPS=1
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start

random_file raw 24M
for _ in 1 2 3; do
	rm -f copy.qcow2
	quiet "$COWBIRD_IMG" convert -m 8 -f raw -O qcow2 "$SSH_URL/raw" "$SSH_URL/copy.qcow2"
	quiet "$COWBIRD_IMG" compare -q -f raw raw copy.qcow2
done
