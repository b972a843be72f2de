#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# -L shows the same bytes as the peer's: of nbdkit, the peer and our own
# server; new and old style, many exports, none, with descriptions, block
# sizes, contexts, and with TLS.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/nbd/tool.inc"
requires nbdkit
requires_nbd_oracle

differ=0
# compare WHAT [ARG]...: both clients, on $sock unless told otherwise.
compare() {
	local what=$1 theirs=0 ours=0
	shift
	"$QEMU_NBD" -L -k "$sock" "$@" >theirs 2>theirs.err || theirs=$?
	"$COWBIRD_NBD" -L -k "$sock" "$@" >ours 2>ours.err || ours=$?
	if ! cmp -s theirs ours || [ $theirs -ne $ours ]; then
		echo "$what: exit codes $theirs $ours"
		diff theirs ours || cat theirs.err ours.err
		differ=1
	fi
}
kit() {
	rm -f "$sock" kit.pid
	nbdkit -U "$sock" --pidfile kit.pid "$@"
	within 10 test -s kit.pid
	server=$(cat kit.pid)
	cleanup_fn kill_server "$server"
	compare "nbdkit $*" ${client[@]+"${client[@]}"}
	kill "$server"
	within 10 gone "$server"
}
kit memory 1M
kit memory 1000
kit -r memory 3G
kit -o memory 1M
kit --no-sr memory 1M
kit --mask-handshake=0 memory 1M
kit --filter=blocksize-policy memory 1M blocksize-minimum=512 \
    blocksize-maximum=1M
mkdir dir
truncate -s 10k dir/a
truncate -s 0 'dir/b c'
kit file dir=dir
kit --filter=exportname memory 1M exportname-list=explicit
kit --filter=exportname memory 1M exportname=a exportname-list=error \
    exportname-strict=true
cat >described <<'END'
#!/bin/sh
case $1 in
list_exports) printf 'INTERLEAVED\none\nthe first\ntwo\nthe second\n' ;;
export_description) echo more ;;
open) [ "$3" != "$REFUSED" ] || { echo "EPERM no" >&2; exit 1; } ;;
get_size) echo 1024 ;;
pread) head -c "$3" /dev/zero ;;
*) exit 2 ;;
esac
END
chmod +x described
kit sh "$PWD/described"
REFUSED=two kit sh "$PWD/described"
unset REFUSED

truncate -s 1M a.raw
"$COWBIRD_IMG" create -q -f qcow2 a.qcow2 5M
"$QEMU_IMG" bitmap --add a.qcow2 b0
for program in "$QEMU_NBD" "$COWBIRD_NBD" "$PEER_NBD"; do
	for options in "-f raw a.raw" "-x foo -D about -A -f raw a.raw" \
	    "-e 4 -r -f qcow2 -B b0 a.qcow2" "-e 0 -f qcow2 a.qcow2"; do
		# shellcheck disable=SC2086
		NBD=$program serve -t $options
		compare "$program $options"
		cp ours "$(sha1sum <<<"$options" | cut -c 1-8).${program##*/}"
		stop
	done
done
# And all servers offer the same.
for shown in ????????.cowbird-nbd; do
	cmp "$shown" "${shown%.*}.qemu-nbd" || differ=1
done

if command -v psktool >/dev/null; then
	psktool -u alice -p keys.psk >/dev/null
	client=(--object
	    "tls-creds-psk,id=c,dir=$PWD,endpoint=client,username=alice"
	    --tls-creds c)
	kit --tls=require --tls-psk=keys.psk memory 1M
	kit --tls=off memory 1M
	client=()
	kit --tls=require --tls-psk=keys.psk memory 1M
	kit --tls=on --tls-psk=keys.psk memory 1M
fi
[ $differ -eq 0 ] || fail "differs from the peer"
