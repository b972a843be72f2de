#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Parallel work opens several connections; where the server refuses all but one,
# that one does all of it, and nothing counts as lost.
. "$(dirname "$0")/../lib.sh"
SFTP_SERVER=$TEST_TMP/single
. "$SRC/tests/support/sshd.sh"
server=/usr/lib/openssh/sftp-server
[ -x $server ] || server=/usr/libexec/openssh/sftp-server
[ -x $server ] || skip "needs OpenSSH's sftp-server"

# One at a time: the next waits a moment for the one before to end.
cat >single <<END
#!/bin/bash
for _ in \$(seq 10); do
	if mkdir $TEST_TMP/busy 2>/dev/null; then
		$server
		rmdir $TEST_TMP/busy
		exit
	fi
	sleep 0.05
done
echo refused >>$TEST_TMP/refused
exit 1
END
chmod +x single
sshd_start

random_file raw 24M
quiet "$COWBIRD_IMG" convert -m 8 -W -f raw -O qcow2 raw "$SSH_URL/copy.qcow2"
quiet "$COWBIRD_IMG" compare -q -f raw raw copy.qcow2
rm -f refused
commands=()
for i in $(seq 0 31); do
	commands+=(-c "aio_write -P $((i + 1)) $((i * 512))k 512k")
done
quiet "$COWBIRD_IO" -f raw "${commands[@]}" -c aio_flush -c flush \
    -c 'read -P 32 15872k 512k' "$SSH_URL/raw" >/dev/null
"$COWBIRD_IO" -f raw -c 'read -P 7 3M 512k' -c 'read -P 20 9728k 512k' raw >out
! grep -i fail out || fail "not all was written"
[ -s refused ] || skip "nothing here wanted a second connection"
