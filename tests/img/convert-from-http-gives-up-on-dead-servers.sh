#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that stays busy, breaks off again and again or falls silent ends the
# copy within seconds, with one line.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"

random_file disk.raw 24M
gone() {
	fails_with 1 "$1" $COWBIRD_IMG convert --image-opts \
	    "driver=raw,file.driver=http,file.url=$web/disk.raw,file.timeout=1" out
	[ "$(wc -l <stderr)" -eq 1 ] || fail "more than a line"
	[ ! -e out ] || fail "out is there"
}
web busy=100
gone "HTTP status 503 \(unavailable\)"
web cut=1000
gone "the connection to the server breaks off"
web stall=1000
gone "does not answer, or too slowly \(timeout 1 s\)"
web until=1
gone "HTTP status 403"
