#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Credentials that cannot work are one clear line before anything is served:
# missing files, expired certificates, another authority's, a client's
# certificate for a server, bad priorities, authorization without names.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
. "$SRC/tests/nbd/tls.inc"

truncate -s 1M a.raw
authority pki
certificate pki server localhost
certificate pki client c
refused() {
	local text=$1
	shift
	fails_with 1 "$text" "$COWBIRD_NBD" -k "$sock" -f raw --tls-creds t \
	    --object "$@" a.raw
	[ "$(wc -l <stderr)" = 1 ] || { cat stderr; fail "more than one line"; }
	[ ! -e "$sock" ] || fail "a socket is left"
}
x509() {
	echo "tls-creds-x509,id=t,endpoint=server,dir=$PWD/$1"
}
copy() {
	rm -rf "$1"
	cp -r pki "$1"
}
copy x; rm x/ca-cert.pem
refused 'x/ca-cert.pem: No such file' "$(x509 x)"
copy x; rm x/server-cert.pem
refused 'x/server-cert.pem: No such file' "$(x509 x)"
copy x; rm x/server-key.pem
refused 'x/server-key.pem: No such file' "$(x509 x)"
copy x; echo nonsense >x/server-cert.pem
refused 'x/server-cert.pem' "$(x509 x)"
copy x; echo nonsense >x/ca-crl.pem
refused 'x/ca-crl.pem' "$(x509 x)"
copy x; cp x/client-key.pem x/server-key.pem
refused 'x/server-key.pem' "$(x509 x)"
copy x; certificate x server s 'activation_date = "2001-01-01 00:00:00"' \
    'expiration_date = "2002-01-01 00:00:00"'
refused 'x/server-cert.pem has expired' "$(x509 x)"
copy x; certificate x server s 'activation_date = "2101-01-01 00:00:00"' \
    'expiration_date = "2102-01-01 00:00:00"'
refused 'x/server-cert.pem is not yet active' "$(x509 x)"
copy x; cp x/client-cert.pem x/server-cert.pem; cp x/client-key.pem x/server-key.pem
refused 'purpose' "$(x509 x)"
copy x; cp x/server-cert.pem x/ca-cert.pem
refused 'CA' "$(x509 x)"
authority other
copy x; cp other/ca-cert.pem x
refused "hasn't got a known issuer" "$(x509 x)"
# Unless they are not to be looked at.
serve -t --object "$(x509 x),sanity-check=off" --tls-creds t -f raw a.raw
stop
refused 'priority NONSENSE' "$(x509 pki),priority=NONSENSE"
refused 'server endpoint' "tls-creds-x509,id=t,dir=$PWD/pki"
refused "id 't'" "tls-creds-x509,id=u,dir=$PWD/pki,endpoint=server"
refused "not TLS credentials" "secret,id=t,data=x"
refused "'dir'" tls-creds-psk,id=t,endpoint=server
refused 'none/keys.psk: No such file' \
    "tls-creds-psk,id=t,endpoint=server,dir=$PWD/none"
fails_with 1 "id 'z'" "$COWBIRD_NBD" -k "$sock" --object "$(x509 pki)" \
    --tls-creds t --tls-authz z a.raw
for creds in tls-creds-anon,id=t,endpoint=server "$(x509 pki),verify-peer=off"; do
	fails_with 1 'who clients are' "$COWBIRD_NBD" -k "$sock" --object \
	    "$creds" --object authz-simple,id=z,identity=x --tls-creds t \
	    --tls-authz z a.raw
done
