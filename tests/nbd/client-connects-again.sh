#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With reconnect-delay a lost server is looked for, and reading goes on where
# it was; so does writing, but what the lost server had taken and not flushed
# is not called safe: the next flush fails.  Without, and when the time is
# over, requests fail.  open-timeout waits for a server at the start.
. "$(dirname "$0")/client.inc"
requires nbdkit

random_file src 10M
truncate -s 10M target

# restart WHAT: kills the server and starts it again, while something runs.
restart() {
	local first=$SERVER
	(
		sleep 1
		kill -9 "$first"
		sleep 1
		rm -f s
		exec nbdkit -f -U s file "$1" >>server.log 2>&1
	) &
	ends $!
	SERVER=$!
}

nbdkit_at s --filter=delay file src rdelay=200ms
restart src
quiet bounded "$COWBIRD_IMG" convert --image-opts \
    "$(keys s reconnect-delay=20)" out
same_file src out
end_server

nbdkit_at s --filter=delay file src rdelay=200ms
(sleep 1 && kill -9 "$SERVER") &
disown
fails_with 1 "was lost, and not made again in 2 s" bounded "$COWBIRD_IMG" \
    convert --image-opts "$(keys s reconnect-delay=2)" out

# With flushes (writethrough) and without (unsafe, which convert uses).
for cache in writeback unsafe; do
	nbdkit_at s --filter=delay file target wdelay=200ms
	restart target
	fails_with 1 'was lost' bounded "$COWBIRD_IMG" convert -t "$cache" -n \
	    -f raw --target-image-opts src "$(keys s reconnect-delay=20)"
	# All the same, everything was sent.
	same_file src target
	truncate -s 0 target
	truncate -s 10M target
	end_server
done

# What was flushed before is safe: the flush after a loss then succeeds.
nbdkit_at s file target
(
	sleep 1.5
	kill -9 "$SERVER"
	rm -f s
	exec nbdkit -f -U s file target >>server.log 2>&1
) &
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
