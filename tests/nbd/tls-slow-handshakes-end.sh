#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A client that begins TLS and stops, or sends nonsense, is dropped at the
# handshake's limit; others come in meanwhile; bytes sent in advance of the TLS
# handshake are not taken for any of it; old versions of TLS are not spoken.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
. "$SRC/tests/nbd/tls.inc"

psk_user keys alice
authority pki
certificate pki server localhost 'dns_name = localhost'
truncate -s 1M a.raw
cat >slow.py <<'END'
import os, socket, ssl, struct, subprocess, sys, time, warnings
warnings.simplefilter("ignore")
path, uri = sys.argv[1:3]

def read(s, n):
    b = b''
    while len(b) < n:
        more = s.recv(n - len(b))
        if not more: raise EOFError
        b += more
    return b

def begin(more=b''):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    read(s, 18)
    s.sendall(struct.pack('>I', 3) + b'IHAVEOPT' +
        struct.pack('>II', 5, 0) + more)
    read(s, 20)
    return s

def dropped(s):
    try:
        while s.recv(4096): pass
    except ConnectionError:
        pass

if len(sys.argv) > 3:
    # Plain options after STARTTLS are not obeyed.
    got = b''
    try:
        s = begin(b'IHAVEOPT' + struct.pack('>IIIH', 7, 6, 0, 0))
        while True:
            more = s.recv(4096)
            if not more: break
            got += more
    except (ConnectionError, EOFError):
        pass
    assert b'\0\3\xe8\x89\4\x55\x65\xa9' not in got, got
    for version in ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1:
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname = False
        c.verify_mode = ssl.CERT_NONE
        c.set_ciphers('ALL:@SECLEVEL=0')
        c.minimum_version = c.maximum_version = version
        try:
            t = c.wrap_socket(begin())
        except (ssl.SSLError, OSError):
            continue
        sys.exit('speaks ' + t.version())
    c.minimum_version = ssl.TLSVersion.TLSv1_2
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        c.maximum_version = version
        assert c.wrap_socket(begin()).version()
    sys.exit()
silent = [begin() for i in range(20)]
half = begin()
half.sendall(b'\x16\x03\x01\x02\x00\x01')       # a record's beginning
noise = begin()
noise.sendall(os.urandom(1000))
start = time.monotonic()
subprocess.run(['nbdinfo', '--size', uri], check=True, timeout=10,
    stdout=subprocess.DEVNULL)
for s in silent + [half, noise]: dropped(s)
END
serve -t -e 0 --handshake-limit 2 --object \
    "tls-creds-psk,id=t,dir=$PWD/keys,endpoint=server" --tls-creds t -f raw a.raw
python3 slow.py "$sock" "nbds+unix://alice@/?socket=$sock&tls-psk-file=$PWD/keys/keys.psk"
stop
serve -t -e 0 --object \
    "tls-creds-x509,id=t,dir=$PWD/pki,endpoint=server,verify-peer=off" \
    --tls-creds t -f raw a.raw
python3 slow.py "$sock" '' more
stop
