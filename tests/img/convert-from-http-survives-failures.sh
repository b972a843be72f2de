#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Connections that break, servers that are busy or slow to answer cost time, no
# bytes; a server that goes away leaves no half copy.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"

random_file disk.raw 6M
mkdir -p there
mv disk.raw there/

for how in busy=2 cut=300000 delay=0.3 most=100000; do
	web "$how"
	quiet $COWBIRD_IMG convert "$web/there/disk.raw" out
	same_file there/disk.raw out
	rm out
done

# It is killed in the middle.
web delay=0.2
$COWBIRD_IMG convert -r 2M "$web/there/disk.raw" out 2>stderr &
pid=$!
while [ "$(wc -l <log 2>/dev/null || echo 0)" -lt 3 ]; do sleep 0.1; done
web_stop
rc=0
wait "$pid" || rc=$?
# All may have been under way by then; but never half of it as a whole.
if [ $rc -eq 0 ]; then
	same_file there/disk.raw out
else
	matches "cannot connect|breaks off" stderr
	[ ! -e out ] || fail "out is there"
fi

# Where redirects lead to is good for three requests; then the front is asked
# again.
web_also until=3
web redirect="$web2"
fails_with 1 "HTTP status 403" $COWBIRD_IMG convert "$web/there/disk.raw" out
[ "$(wc -l <log)" -ge 2 ] || fail "the front was asked only once"
