#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tls-creds-x509: clients come in with a certificate of the authority, not with
# one of another, one that has expired, one that was revoked, one for servers,
# or none; with verify-peer=off anybody may; clients check the server's name.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
. "$SRC/tests/nbd/tls.inc"
requires nbdcopy

authority pki
certificate pki server localhost 'dns_name = localhost'
certificate pki client laptop.example.com
mkdir none expired serving revoked
cp pki/ca-cert.pem none
cp pki/ca-* expired
certificate expired client old 'activation_date = "2001-01-01 00:00:00"' \
    'expiration_date = "2002-01-01 00:00:00"'
cp pki/ca-cert.pem serving
cp pki/server-cert.pem serving/client-cert.pem
cp pki/server-key.pem serving/client-key.pem
authority other
certificate other client laptop.example.com
mkdir foreign
cp other/client-* foreign
cp pki/ca-cert.pem foreign
cp pki/ca-* revoked
certificate revoked client lost 'serial = 77'

random_file a.raw 5M
tls() {
	echo "nbds+unix://localhost/?socket=$sock&tls-certificates=$PWD/$1"
}
creds=tls-creds-x509,id=t,dir=$PWD/pki,endpoint=server
serve -t -e 0 -v --object "$creds" --tls-creds t -f raw a.raw
nbdcopy "$(tls pki)" copy
same_file a.raw copy
nbdinfo --size "$(tls revoked)" >/dev/null
for who in none expired serving foreign; do
	fails_with 1 . nbdinfo "$(tls $who)"
done
fails_with 1 . nbdinfo "$uri"
[ "$(grep -c 'TLS handshake failed' server.err)" -ge 4 ] ||
    { cat server.err; fail "-v does not say why"; }

ours() {
	local dir=$1
	shift
	"$COWBIRD_NBD" -L -k "$sock" --tls-creds c --object \
	    "tls-creds-x509,id=c,endpoint=client,dir=$PWD/$dir" "$@"
}
ours pki --tls-hostname localhost >out
matches 'exports available: 1' out
fails_with 1 'does not match' ours pki --tls-hostname other.example.com
fails_with 1 'hostname' ours pki
fails_with 1 '(from|to) server' ours none --tls-hostname localhost
fails_with 1 'failed validation|trusted' ours other --tls-hostname localhost
stop

# A list of revoked ones.
printf 'crl_next_update = 30\ncrl_number = 1\n' >template
certtool --generate-crl --load-ca-privkey pki/ca-key.pem \
    --load-ca-certificate pki/ca-cert.pem \
    --load-certificate revoked/client-cert.pem --template template \
    --outfile pki/ca-crl.pem >log 2>&1 || { cat log; fail certtool; }
serve -t --object "$creds" --tls-creds t -f raw a.raw
nbdinfo --size "$(tls pki)" >/dev/null
fails_with 1 . nbdinfo "$(tls revoked)"
stop
rm pki/ca-crl.pem

serve -t --object "$creds,verify-peer=off" --tls-creds t -f raw a.raw
nbdinfo --size "$(tls none)" >/dev/null
fails_with 1 . nbdinfo "$uri"
stop

# Encrypted keys.
certtool --to-p8 --load-privkey pki/server-key.pem --password secret \
    --outfile key >log 2>&1 || { cat log; fail certtool; }
mkdir locked
cp pki/ca-cert.pem pki/server-cert.pem locked
cp key locked/server-key.pem
creds=tls-creds-x509,id=t,dir=$PWD/locked,endpoint=server
serve -t --object secret,id=s,data=secret --object "$creds,passwordid=s" \
    --tls-creds t -f raw a.raw
nbdinfo --size "$(tls pki)" >/dev/null
stop
fails_with 1 'server-key.pem' "$COWBIRD_NBD" -k "$sock" --object "$creds" \
    --tls-creds t -f raw a.raw </dev/null
fails_with 1 "secret with id 's'" "$COWBIRD_NBD" -k "$sock" \
    --object "$creds,passwordid=s" --tls-creds t -f raw a.raw
