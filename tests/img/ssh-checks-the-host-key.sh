#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing is said to an SSH host before its key is known: from known_hosts, or
# by its hash; and who cannot log in is told so, in one line.
. "$(dirname "$0")/../lib.sh"
. "$SRC/tests/support/sshd.sh"
sshd_start
truncate -s 1M disk
info() { "$COWBIRD_IMG" info "$@"; }

# refused PATTERN ARG...: one clear line
refused() {
	fails_with 1 "^cowbird-img: .*$1" "$COWBIRD_IMG" info "${@:2}"
	[ "$(wc -l <stderr)" -eq 1 ] || { cat stderr >&2; fail "more than one line: ${*:2}"; }
}
hash_of() {
	cut -d' ' -f2 host_key.pub | base64 -d | "$1"sum | cut -d' ' -f1
}
url=$SSH_URL/disk

info "$url" >/dev/null
for type in md5 sha1 sha256; do
	hash=$(hash_of $type)
	info "$url?host_key_check=$type:$hash" >/dev/null
	info "$url?host_key_check=$type:${hash^^}" >/dev/null
	info "$url?host_key_check=$type:$(sed 's/../&:/g; s/:$//' <<<"$hash")" >/dev/null
	refused "is not the expected one: its $type hash is $hash" \
	    "$url?host_key_check=$type:${hash%?}"
	refused "is not the expected one" "$url?host_key_check=$type:${hash}0"
	refused "is not the expected one" \
	    "$url?host_key_check=$type:$(tr 0-9a-f 1-9a-f0 <<<"$hash")"
done
refused "host_key_check is yes, no" "$url?host_key_check=sha512:00"
refused "unknown parameter 'foo'" "$url?foo=1"
refused 'needs host-key-check.hash' --image-opts \
    "driver=ssh,server.host=127.0.0.1,path=/x,host-key-check.mode=hash"
refused "needs the option 'path'" --image-opts "driver=ssh,server.host=127.0.0.1"
refused "needs the option 'server.host'" --image-opts "driver=ssh,path=/x"
refused "does not support the option 'frobnicate'" --image-opts \
    "driver=ssh,server.host=127.0.0.1,server.port=$SSH_PORT,path=$TEST_TMP/disk,frobnicate=1"
refused "'-oProxy' is no host" ssh://-oProxy/x
refused "is no user" 'ssh://a$(b)@localhost/x'
refused "is no port" ssh://localhost:65536/x
refused "names no path" ssh://localhost
refused "names no host" ssh:///x
refused "is not of the form" ssh:localhost/x
refused "%XX" ssh://localhost/%00

# Unknown; of another kind; another one.
known=$(cat "$HOME/.ssh/known_hosts")
rm "$HOME/.ssh/known_hosts"
refused "host '127.0.0.1' is not known: its key \(ssh-ed25519 SHA256:.*\) is not in known_hosts" "$url"
info "$url?host_key_check=no" >/dev/null
ssh-keygen -q -t ed25519 -N '' -f other_key
echo "${known%% *} $(cut -d' ' -f1,2 other_key.pub)" >"$HOME/.ssh/known_hosts"
refused "is not the one in known_hosts" "$url"
ssh-keygen -q -t rsa -b 2048 -N '' -f rsa_key
echo "${known%% *} $(cut -d' ' -f1,2 rsa_key.pub)" >"$HOME/.ssh/known_hosts"
refused "known_hosts has another kind of key|no match" "$url"
echo "$known" >"$HOME/.ssh/known_hosts"

# The key it takes is not ours any more; nobody is asked.
cp other_key.pub authorized_keys
refused "takes none of the keys of the agent and of ~/.ssh" "$url"
refused "takes none of the keys of the agent and of ~/.ssh for joe" \
    "${url/127/joe@127}"
rm "$HOME/.ssh/id_ed25519" "$HOME/.ssh/id_ed25519.pub"
refused "takes none of the keys" "$url"

# The agent's.
if command -v ssh-agent >/dev/null && command -v ssh-add >/dev/null; then
	eval "$(ssh-agent -a "$TEST_TMP/agent")" >/dev/null
	cleanup_fn kill "$SSH_AGENT_PID"
	ssh-add -q other_key
	info "$url" >/dev/null
fi
