# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# An SSH server of the test's own on localhost, for us and nobody else.
# Sourced after lib.sh.
#
#	sshd_start		starts it; SFTP_SERVER: what serves SFTP
#	$SSH_URL		ssh://127.0.0.1:PORT followed by the current folder
#	$SSHD_PID $SSH_PORT	its process; its port
#	$HOME			a home with a key it takes and the known_hosts it is in

requires ssh-keygen
SSHD=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$SSHD" ] || skip "needs sshd (openssh-server)"
[ -e "$BUILD/lib/cowbird/ssh.so" ] || skip "needs the ssh module (libssh)"
unset SSH_AUTH_SOCK

sshd_keys() {
	HOME=$TEST_TMP/home
	export HOME
	mkdir -p -m 700 "$HOME/.ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
	ssh-keygen -q -t ed25519 -N '' -f host_key
	cp "$HOME/.ssh/id_ed25519.pub" authorized_keys
	# sshd wants this when it is root's, and a system that never ran one
	# does not have it.
	[ "$(id -u)" -ne 0 ] || mkdir -p -m 755 /run/sshd
}

# Is it up?  (It may have been another's port.)
sshd_answers() {
	local banner
	for _ in $(seq 100); do
		kill -0 "$SSHD_PID" 2>/dev/null || return 1
		if exec {probe}<>"/dev/tcp/127.0.0.1/$SSH_PORT"; then
			read -r -t 5 banner <&"$probe" || banner=
			exec {probe}>&-
			[[ $banner = SSH-2.0-* ]] && return
		fi 2>/dev/null
		sleep 0.05
	done
	return 1
}

sshd_start() {
	[ -e host_key ] || sshd_keys
	for _ in $(seq 20); do
		SSH_PORT=$((20000 + RANDOM % 40000))
		{
			echo "ListenAddress 127.0.0.1:$SSH_PORT"
			echo "HostKey $TEST_TMP/host_key"
			echo "AuthorizedKeysFile $TEST_TMP/authorized_keys"
			echo "PidFile $TEST_TMP/sshd.pid"
			echo "PasswordAuthentication no"
			echo "KbdInteractiveAuthentication no"
			echo "PermitRootLogin prohibit-password"
			echo "StrictModes no"
			echo "UsePAM no"
			echo "MaxStartups 100"
			echo "Subsystem sftp ${SFTP_SERVER:-internal-sftp}"
		} >sshd_config
		"$SSHD" -D -e -f "$TEST_TMP/sshd_config" 2>sshd.log &
		SSHD_PID=$!
		cleanup_fn sshd_stop "$SSHD_PID"
		if sshd_answers; then
			echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 host_key.pub)" \
			    >"$HOME/.ssh/known_hosts"
			SSH_URL=ssh://127.0.0.1:$SSH_PORT$TEST_TMP
			return
		fi
	done
	cat sshd.log >&2
	skip "cannot run an sshd here"
}

# With the processes that serve its connections.
sshd_stop() {
	local pid
	for pid in $(pgrep -P "$1"); do
		pkill -KILL -P "$pid" || true
		kill -KILL "$pid" || true
	done
	kill -KILL "$1" || true
	wait "$1" || true
} 2>/dev/null
