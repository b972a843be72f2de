#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# https: reads only from a server whose certificate is trusted and its own,
# unless told otherwise; and what was asked for by TLS does not come without.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/web.sh"
requires openssl

random_file disk.raw 3M
mkdir ca other
make_ca() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" \
	    -keyout "$1/ca-key.pem" -out "$1/ca-cert.pem" 2>/dev/null
}
# make_cert NAME SUBJECT-ALT-NAME
make_cert() {
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" \
	    -out "$1.csr" 2>/dev/null
	openssl x509 -req -days 2 -in "$1.csr" -CA ca/ca-cert.pem \
	    -CAkey ca/ca-key.pem -CAcreateserial -out "$1.pem" \
	    -extfile <(echo "subjectAltName=$2") 2>/dev/null
}
make_ca ca
make_ca other
make_cert good IP:127.0.0.1
make_cert bad DNS:elsewhere.example

from() {
	"${@:2}" --object tls-creds-x509,id=ca,dir=ca,endpoint=client --object \
	    tls-creds-x509,id=other,dir=other,endpoint=client --image-opts \
	    "driver=raw,file.driver=https,file.url=$web/disk.raw$1" out
}
web tls=good.pem,good.key
quiet from ,file.tls-creds=ca $COWBIRD_IMG convert
same_file disk.raw out
quiet from ,file.sslverify=off $COWBIRD_IMG convert
same_file disk.raw out
rm out
untrusted="the certificate of the server is not trusted, or not its own"
fails_with 1 "$untrusted" from ,file.tls-creds=other $COWBIRD_IMG convert
fails_with 1 "$untrusted" from "" $COWBIRD_IMG convert
web tls=bad.pem,bad.key
fails_with 1 "$untrusted" from ,file.tls-creds=ca $COWBIRD_IMG convert

web_also
web tls=good.pem,good.key redirect="$web2"
fails_with 1 "which is not followed from https" \
    from ,file.tls-creds=ca $COWBIRD_IMG convert
[ ! -s log2 ] || fail "the other server was asked"
[ ! -e out ] || fail "out is there"
