#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Credentials mean TLS or nothing: a server without, with other keys, with a
# certificate for another host or of another authority is not talked to.
. "$(dirname "$0")/client.inc"
requires nbdkit psktool certtool

mkdir psk pki other
psktool -u alice -p psk/keys.psk >/dev/null 2>&1
psktool -u alice -p other/keys.psk >/dev/null 2>&1
authority() {
	printf 'cn = Test\nca\ncert_signing_key\n' >template
	certtool --generate-privkey --outfile "$1/ca-key.pem" 2>/dev/null
	certtool --generate-self-signed --load-privkey "$1/ca-key.pem" \
	    --template template --outfile "$1/ca-cert.pem" 2>/dev/null
}
certificate() {
	printf 'cn = localhost\ndns_name = localhost\ntls_www_%s\n%s\n' "$2" \
	    'encryption_key
signing_key' >template
	certtool --generate-privkey --outfile "$1/$2-key.pem" 2>/dev/null
	certtool --generate-certificate --template template \
	    --load-ca-certificate "$1/ca-cert.pem" \
	    --load-ca-privkey "$1/ca-key.pem" \
	    --load-privkey "$1/$2-key.pem" --outfile "$1/$2-cert.pem" \
	    2>/dev/null
}
for dir in pki other; do
	authority $dir
	certificate $dir server
	certificate $dir client
done

psk() {
	echo "--object tls-creds-psk,id=t,dir=$PWD/$1,endpoint=client"\
",username=$2 --image-opts"
}
x509() {
	echo "--object tls-creds-x509,id=t,dir=$PWD/$1,endpoint=client"\
"${2-} --image-opts"
}

t=$(keys "$PWD/s" tls-creds=t)
nbdkit_at s --tls=require --tls-psk="$PWD/psk/keys.psk" memory 1M
# shellcheck disable=SC2046
{
quiet "$COWBIRD_IMG" info $(psk psk alice) "$t" >said
matches '^image: nbds\+unix:' said
quiet "$COWBIRD_IMG" convert $(psk psk alice) "$t" out
fails_with 1 'username bob was not found' "$COWBIRD_IMG" info \
    $(psk psk bob) "$t"
fails_with 1 'NBD server at' "$COWBIRD_IMG" info $(psk other alice) "$t"
fails_with 1 'requires TLS' "$COWBIRD_IMG" info "$(uri "$PWD/s")"
fails_with 1 "No TLS credentials with id 'u'" "$COWBIRD_IMG" info \
    $(psk psk alice) "$(keys "$PWD/s" tls-creds=u)"
fails_with 1 'client endpoint' "$COWBIRD_IMG" info --object \
    "tls-creds-psk,id=t,dir=psk,endpoint=server" --image-opts "$t"
end_server

nbdkit_at s memory 1M
fails_with 1 'server refused TLS' "$COWBIRD_IMG" info $(psk psk alice) "$t"
fails_with 1 'No hostname' "$COWBIRD_IMG" info "nbds+unix:///?socket=$PWD/s"
end_server

# A certificate is for a host; where there is none, it proves nothing.
nbdkit_at s --tls=require --tls-certificates="$PWD/pki" memory 1M
fails_with 1 'No hostname for certificate validation' "$COWBIRD_IMG" info \
    $(x509 pki) "$t"
quiet "$COWBIRD_IMG" info $(x509 pki ,verify-peer=off) "$t" >/dev/null
end_server

port=$((20000 + RANDOM % 20000))
nbdkit -f -p "$port" --tls=require --tls-certificates="$PWD/pki" \
    --tls-verify-peer memory 1M >>server.log 2>&1 &
ends $!
n="driver=nbd,server.type=inet,server.port=$port,tls-creds=t"
for ((i = 0; i < 100; i++)); do
	"$COWBIRD_IMG" info $(x509 pki) "$n,server.host=localhost" \
	    >/dev/null 2>&1 && break
	sleep 0.05
done
quiet "$COWBIRD_IMG" info $(x509 pki) "$n,server.host=localhost" >said
matches "^image: nbds://localhost:$port" said
fails_with 1 'certificate verification' "$COWBIRD_IMG" info $(x509 pki) \
    "$n,server.host=127.0.0.1"
fails_with 1 'NBD server at' "$COWBIRD_IMG" info "nbds://localhost:$port"
fails_with 1 'NBD server at' "$COWBIRD_IMG" info $(x509 other) \
    "$n,server.host=localhost"
}
