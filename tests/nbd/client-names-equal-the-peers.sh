#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Names and keys of NBD exports mean what they mean to the peer, and what is
# wrong with them is said in the same words (sometimes with more of them).
. "$(dirname "$0")/client.inc"
requires nbdkit
requires_oracle
peer_names

nbdkit_at "$PWD/s" memory 10M
nbdkit_at "$PWD/t" data '1 2 3' size=1000

# both ARG...: the peer's text begins ours, line by line.
both() {
	local rc=0 want=0 a b
	"$QEMU_IMG" "$@" >expected 2>&1 || want=$?
	"$PEER_IMG" "$@" >got 2>&1 || rc=$?
	[ "$rc" -eq "$want" ] || { cat got >&2; fail "$rc, not $want: $*"; }
	exec 3<expected 4<got
	while IFS= read -r a <&3; do
		IFS= read -r b <&4 || fail "a line is missing: $a"
		[[ $b == "$a"* ]] || same_text "$a" "$b" "$*"
	done
	exec 3<&- 4<&-
}

s=$(uri "$PWD/s") t=$(uri "$PWD/t" foo)
both info "$s"
both info "$t"
both info "nbd:unix:$PWD/t:exportname=foo"
both info "$(uri "$PWD/nothing")"
both info nbd://localhost:1/x
both info nbd:localhost:1
both info nbd://localhost:1
both info "nbd://no-such-host.invalid/"
both info "$s&foo=1"
both info "nbd://localhost:1/?socket=1"
both info nbd+unix:///
both info nbd:
both info nbd:foo
both info --image-opts driver=nbd
both info --image-opts driver=nbd,host=localhost,path=/x
both info --image-opts driver=nbd,server.type=foo
both info --image-opts driver=nbd,server.type=inet,server.host=localhost
both info --image-opts driver=nbd,server.type=unix
both info --image-opts "$(keys "$PWD/s" tls-creds=t0)"
both info --image-opts "driver=raw,file.$(keys "$PWD/s" | sed 's/,/,file./g')"
both info 'json:{"driver":"raw","file":{"driver":"nbd","export":"x",
    "server":{"type":"unix","path":"'"$PWD"'/s"}}}'
both map --output=json "$s"
both resize -f raw "$s" 20M
both resize --shrink -f raw "$s" 1M
both resize -f raw "$s" 10M
both create -f raw "$s" 20M
both create -f raw "$s" 5M
both create -f qcow2 "$s" 5M
both check "$s"
both info "$s"
both create -f raw "$(uri "$PWD/nothing")" 5M

# By TCP, with and without a port that is ours to choose.
port=$((20000 + RANDOM % 20000))
nbdkit -f -p "$port" memory 1M >>server.log 2>&1 &
ends $!
for ((i = 0; i < 100; i++)); do
	"$QEMU_IMG" info "nbd://localhost:$port" >/dev/null 2>&1 && break
	sleep 0.05
done
both info "nbd://localhost:$port"
both info "nbd+tcp://localhost:$port/foo/bar"
both info "nbd:localhost:$port:exportname=x"
both info "nbd://127.0.0.1:$port/"
both info --image-opts \
    "driver=raw,file.driver=nbd,file.host=localhost,file.port=$port"
# The peer forgets the brackets when it says the name.
"$PEER_IMG" info "nbd:[::1]:$port" >got
matches "^image: nbd://\[::1\]:$port\$" got
