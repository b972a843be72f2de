#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# -b and -p: IPv4, IPv6 and names; a port in use, an address that is not ours, a
# port that cannot be are one clear line.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw b.raw
# free_port: one that nobody listens on.
free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
tcp() {
	rm -f pid
	"$COWBIRD_NBD" --fork -t --pid-file pid -f raw "$@" a.raw
	read -r server <pid
	cleanup_fn kill_server "$server"
}
end() {
	kill "$server"
	within 10 gone "$server"
}
port=$(free_port)
tcp -p "$port"
[ "$(nbdinfo --size "nbd://127.0.0.1:$port")" = 1048576 ]
"$COWBIRD_NBD" -L -p "$port" >out
matches 'exports available: 1' out
"$COWBIRD_NBD" -L -b localhost -p "$port" >/dev/null
fails_with 1 'Address already in use' "$COWBIRD_NBD" -p "$port" -f raw b.raw
end
# It may be taken again at once, although clients have been there.
tcp -b 127.0.0.1 -p "$port"
nbdinfo --size "nbd://127.0.0.1:$port" >/dev/null
end
tcp -b localhost -p "$port"
nbdinfo --size "nbd://localhost:$port" >/dev/null
end
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	tcp -b ::1 -p "$port"
	nbdinfo --size "nbd://[::1]:$port" >/dev/null
	fails_with 1 'refused' "$COWBIRD_NBD" -L -b 127.0.0.1 -p "$port"
	end
	# All there are.
	tcp -b '' -p "$port"
	nbdinfo --size "nbd://[::1]:$port" >/dev/null
	nbdinfo --size "nbd://127.0.0.1:$port" >/dev/null
	end
fi
one_line() {
	fails_with 1 "$@"
	[ "$(wc -l <stderr)" = 1 ] || { cat stderr; fail "not one line"; }
}
one_line 'assign' "$COWBIRD_NBD" -b 192.0.2.1 -p "$port" -f raw b.raw
one_line 'resolution' "$COWBIRD_NBD" -b no-such-host.invalid -f raw a.raw
one_line 'resolution' "$COWBIRD_NBD" -p no-such-service -f raw a.raw
one_line '65535' "$COWBIRD_NBD" -p 65536 -f raw a.raw
one_line '65535' "$COWBIRD_NBD" -p 99999999999999999999999 -f raw a.raw
one_line 'refused' "$COWBIRD_NBD" -L -b 127.0.0.1 -p "$port"
one_line 'too long' "$COWBIRD_NBD" -k "/$(printf '%200s' | tr ' ' a)" -f raw a.raw
