#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients that connect and say nothing, more than the server takes: others are
# served all the same, and soon; with --handshake-limit the silent ones go.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"

truncate -s 1M a.raw
cat >silent.py <<'END'
import resource, socket, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE,
    (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
path, uri, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
silent = []
for i in range(n):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    silent.append(s)
# Far below the ten seconds after which all of them would be gone.
subprocess.run(['nbdinfo', '--size', uri], check=True, timeout=5,
    stdout=subprocess.DEVNULL)
if len(sys.argv) > 4:
    silent[-1].settimeout(20)
    silent[-1].recv(18)
    assert not silent[-1].recv(1), 'a silent client may stay'
END
ulimit -n "$(ulimit -Hn)"
for n in 150 500 1500; do
	serve -t -e 0 -f raw a.raw
	python3 silent.py "$sock" "$uri" $n
	stop
done
serve -t -e 0 --handshake-limit 1 -f raw a.raw
python3 silent.py "$sock" "$uri" 5 go
stop

# With few descriptors for the server, it is the same.
cat >few <<END
#!/bin/bash
ulimit -n 40
exec "$COWBIRD_NBD" "\$@"
END
chmod +x few
NBD=$PWD/few serve -t -e 0 --handshake-limit 0 -f raw a.raw
python3 silent.py "$sock" "$uri" 100
stop
