#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# --tls-authz: authz-simple, -list and -list-file decide by the distinguished
# name of the client's certificate, in the form the peer gives it; a changed
# file counts at once, a broken one lets nobody in.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
. "$SRC/tests/nbd/tls.inc"

truncate -s 1M a.raw
authority pki
certificate pki server localhost 'dns_name = localhost'
certificate pki client laptop.example.com
dn='O=Example Org,CN=laptop.example.com'
commas=${dn//,/,,}
client="nbds+unix://localhost/?socket=$sock&tls-certificates=$PWD/pki"
authorized() {
	serve -t -v --object \
	    "tls-creds-x509,id=t,dir=$PWD/pki,endpoint=server" --tls-creds t \
	    --object "$1" --tls-authz z -f raw a.raw
}
may() {
	authorized "$1"
	nbdinfo --size "$client" >/dev/null || { cat server.err; fail "$1"; }
	stop
}
may_not() {
	authorized "$1"
	fails_with 1 . nbdinfo --size "$client"
	matches 'denied' server.err
	stop
}
may "authz-simple,id=z,identity=$commas"
may_not "authz-simple,id=z,identity=CN=laptop.example.com"
if command -v qemu-nbd >/dev/null && [[ $(qemu-nbd --version) != *cowbird* ]]; then
	NBD=qemu-nbd may "authz-simple,id=z,identity=$commas"
fi
may "authz-list,id=z,policy=allow"
may_not "authz-list,id=z"
may "authz-list,id=z,rules.0.match=$commas,rules.0.policy=allow"
may_not "authz-list,id=z,policy=allow,rules.0.match=*CN=laptop*,rules.0.policy=deny,rules.0.format=glob"
may "authz-list,id=z,rules.0.match=O=?xample Org,,CN=*.com,rules.0.policy=allow,rules.0.format=glob"
may_not "authz-list,id=z,rules.0.match=O=*,rules.0.policy=allow,rules.0.format=exact"
may_not "authz-list,id=z,rules.0.match=*laptop,rules.0.policy=allow,rules.0.format=glob"
may "authz-list,id=z,rules.0.match=nobody,rules.0.policy=deny,rules.1.match=$commas,rules.1.policy=allow"

allow='{ "policy": "deny", "rules": [ { "match": "O=*", "policy": "allow", "format": "glob" } ] }'
echo "$allow" >rules
authorized "authz-list-file,id=z,filename=$PWD/rules"
nbdinfo --size "$client" >/dev/null
echo '{ "policy": "deny" }' >rules
fails_with 1 . nbdinfo --size "$client"
echo "$allow" >rules.new
mv rules.new rules
nbdinfo --size "$client" >/dev/null
for broken in '{' '{ "policy": "perhaps" }' '{ "rules": [ { "match": "x" } ] }' ''; do
	echo "$broken" >rules
	fails_with 1 . nbdinfo --size "$client"
done
rm rules
fails_with 1 . nbdinfo --size "$client"
echo "$allow" >rules
nbdinfo --size "$client" >/dev/null
stop

for wrong in authz-simple,id=z authz-list,id=z,policy=x \
    authz-list,id=z,rules.0.match=x authz-list-file,id=z \
    "authz-list-file,id=z,filename=/nonexistent" secret,id=z,data=x; do
	fails_with 1 . "$COWBIRD_NBD" -k "$sock" --object \
	    "tls-creds-x509,id=t,dir=$PWD/pki,endpoint=server" --tls-creds t \
	    --object "$wrong" --tls-authz z -f raw a.raw
	[ ! -e "$sock" ] || fail "a socket is left: $wrong"
done
