#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With reconnect-delay a lost server is looked for, and reading goes on where
# it was; so does writing, but what the lost server had taken and not flushed
# is not called safe: the next flush fails.  Without, and when the time is
# over, requests fail.  open-timeout waits for a server at the start.
. "$(dirname "$0")/client.inc"
requires nbdkit

random_file src 20M
truncate -s 20M target

again() {
	sleep 1
	rm -f s
	exec nbdkit -f -U s file "$1"
}

slow_at s src
kill_later again src
quiet bounded "$COWBIRD_IMG" convert -m 2 --image-opts \
    "$(keys s reconnect-delay=20)" out
same_file src out
end_server

slow_at s src
kill_later true
fails_with 1 "was lost, and not made again in 2 s" bounded "$COWBIRD_IMG" \
    convert -m 2 --image-opts "$(keys s reconnect-delay=2)" out

# With flushes (writethrough) and without (unsafe, which convert uses).
for cache in writeback unsafe; do
	slow_at s target
	kill_later again target
	fails_with 1 'was lost' bounded "$COWBIRD_IMG" convert -m 2 -t "$cache" -n \
	    -f raw --target-image-opts src "$(keys s reconnect-delay=20)"
	# All the same, everything was sent.
	same_file src target
	truncate -s 0 target
	truncate -s 20M target
	end_server
done

# What was flushed before is safe: the flush after a loss then succeeds.
rm log
nbdkit_at s --filter=log file target logfile=log
first=$SERVER
(
	until grep -q '\.\.\.Flush' log; do
		sleep 0.05
	done
	kill -9 "$first"
	rm -f s
	exec nbdkit -f -U s file target
) >>server.log 2>&1 &
ends $!
quiet bounded "$COWBIRD_IO" --image-opts -c 'write -q -P 1 0 64k' -c flush \
    -c 'sleep 3000' -c 'write -q -P 2 64k 64k' -c flush \
    -c 'read -q -P 1 0 64k' "$(keys s reconnect-delay=20)"

(
	sleep 1
	exec nbdkit -f -U late file src >>server.log 2>&1
) &
ends $!
quiet bounded "$COWBIRD_IMG" convert --image-opts \
    "$(keys late open-timeout=20)" out
same_file src out
fails_with 1 'Failed to connect' bounded "$COWBIRD_IMG" info --image-opts \
    "$(keys never open-timeout=1)"
