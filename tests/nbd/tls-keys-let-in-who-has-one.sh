#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tls-creds-psk: libnbd's and the peer's clients and our own come in with a key
# of the file, not with a wrong key, an unknown name, or without TLS;
# authorization goes by the user's name.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
. "$SRC/tests/nbd/tls.inc"
requires nbdcopy

psk_user keys alice
psk_user keys bob
psk_user wrong alice
psk_user wrong eve
random_file a.raw 20M
tls() {
	echo "nbds+unix://$1@/?socket=$sock&tls-psk-file=$PWD/$2/keys.psk"
}
creds=tls-creds-psk,id=t,dir=$PWD/keys,endpoint=server
serve -t -e 0 -v --object "$creds" --tls-creds t -f raw a.raw

nbdcopy "$(tls alice keys)" copy
same_file a.raw copy
random_file a2.raw 20M
nbdcopy a2.raw "$(tls bob keys)"
same_file a2.raw a.raw
fails_with 1 . nbdinfo "$(tls alice wrong)"
fails_with 1 . nbdinfo "$(tls eve wrong)"
fails_with 1 . nbdinfo "$uri"
matches 'wants TLS' server.err
ours() {
	"$COWBIRD_NBD" -L -k "$sock" --tls-creds c --object \
	    "tls-creds-psk,id=c,endpoint=client,dir=$PWD/$2,username=$1"
}
ours bob keys >out
matches 'exports available: 1' out
fails_with 1 'TLS' ours alice wrong
fails_with 1 'TLS' "$COWBIRD_NBD" -L -k "$sock"
if command -v qemu-img >/dev/null; then
	qemu-img info --object \
	    "tls-creds-psk,id=c,endpoint=client,dir=$PWD/keys,username=bob" \
	    --image-opts "driver=nbd,server.type=unix,server.path=$sock,tls-creds=c" >out
	matches '20 MiB' out
fi
# A key taken away is worth nothing from now on.
sed -i /alice/d keys/keys.psk
fails_with 1 . nbdinfo "$(tls alice keys)"
psk_user keys alice
nbdinfo --size "$(tls alice keys)" >/dev/null
stop

serve -t --object "$creds" --tls-creds t \
    --object authz-simple,id=z,identity=bob --tls-authz z -f raw a.raw
nbdinfo --size "$(tls bob keys)" >/dev/null
fails_with 1 . nbdinfo "$(tls alice keys)"
stop
