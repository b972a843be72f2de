#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Socket activation (LISTEN_PID, LISTEN_FDS): the socket handed over is served;
# with it -p -b -k -L -c are errors; variables meant for others, or nonsense,
# are passed over; what is no listening socket is refused.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw
# hand KIND COUNT CMD...: runs CMD with sockets from 3 on.
cat >hand.py <<'END'
import fcntl, os, socket, sys
kind, n = sys.argv[1], int(sys.argv[2])
held = []
for i in range(n):
    if kind == 'file':
        s = open('a.raw')
    elif kind == 'udp':
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        s = socket.socket(socket.AF_UNIX)
        s.bind('sock' if not i else 'sock%d' % i)
        if kind != 'idle': s.listen(8)
    held.append(fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100))
for i, fd in enumerate(held):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.setdefault('LISTEN_PID', str(os.getpid()))
os.environ.setdefault('LISTEN_FDS', str(n))
os.execvp(sys.argv[3], sys.argv[3:])
END
hand() {
	rm -f sock sock1
	python3 hand.py "$@"
}

# libnbd starts servers so.
for options in "-f raw a.raw" "-t -r -f raw a.raw"; do
	# shellcheck disable=SC2086
	[ "$(nbdinfo --size -- [ "$COWBIRD_NBD" $options ])" = 1048576 ]
done

hand unix 1 "$COWBIRD_NBD" -f raw a.raw &
server=$!
cleanup_fn kill_server $server
within 10 test -S sock
within 10 nbdinfo --size "$uri" >/dev/null 2>&1
ends 0 2>/dev/null
[ -S sock ] || fail "the socket was not ours to remove"

hand unix 1 "$COWBIRD_NBD" --fork --pid-file pid -f raw a.raw
nbdinfo --size "$uri" >/dev/null
within 10 test ! -e pid

refused() {
	local text=$1
	shift
	rm -f sock sock1
	fails_with 1 "$text" python3 hand.py "$@"
}
refused 'LISTEN_FDS > 1' unix 2 "$COWBIRD_NBD" -f raw a.raw
refused 'Unix socket' unix 1 "$COWBIRD_NBD" -k /x -f raw a.raw
refused 'TCP port' unix 1 "$COWBIRD_NBD" -p 1 -f raw a.raw
refused 'interface' unix 1 "$COWBIRD_NBD" -b ::1 -f raw a.raw
refused 'device' unix 1 "$COWBIRD_NBD" -c /dev/nbd0 -f raw a.raw
refused 'SELinux' unix 1 "$COWBIRD_NBD" --selinux-label x -f raw a.raw
refused 'List mode' unix 1 "$COWBIRD_NBD" -L
refused 'activation' udp 1 "$COWBIRD_NBD" -f raw a.raw
refused 'activation' file 1 "$COWBIRD_NBD" -f raw a.raw
refused 'activation' idle 1 "$COWBIRD_NBD" -f raw a.raw

# Not for us, or nothing a number can be: as if nothing was said.
for variables in LISTEN_PID=1 LISTEN_PID= LISTEN_FDS=x LISTEN_FDS=-1 \
    LISTEN_FDS=0 LISTEN_FDS=99999999999999999999; do
	rm -f other
	env "$variables" python3 hand.py idle 0 "$COWBIRD_NBD" \
	    -k "$PWD/other" -f raw a.raw &
	server=$!
	cleanup_fn kill_server $server
	within 10 nbdinfo --size "nbd+unix:///?socket=$PWD/other" >/dev/null 2>&1 ||
	    fail "$variables"
	within 10 gone $server
done
