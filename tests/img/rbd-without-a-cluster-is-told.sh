#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A name of an image in a Ceph cluster that is not there, or not to be
# understood: one clear line, soon.
. "$(dirname "$0")/../lib.sh"
[ -e "$BUILD/lib/cowbird/rbd.so" ] || skip "needs the rbd module (librbd)"

refused() {
	fails_with 1 "^cowbird-img: .*$1" timeout 30 "$COWBIRD_IMG" "${@:2}"
	[ "$(wc -l <stderr)" -eq 1 ] || { cat stderr >&2; fail "more than one line: ${*:2}"; }
}
export CEPH_CONF=$TEST_TMP/none
unset CEPH_ARGS

refused 'there is no ceph.conf, and nothing else names a monitor' info rbd:p/i
refused 'there is no ceph.conf' create rbd:p/i 1M
refused "reading '/none': No such file" info rbd:p/i:conf=/none
echo 'nonsense' >bad.conf
refused "reading '$TEST_TMP/bad.conf'" info "rbd:p/i:conf=$TEST_TMP/bad.conf"
refused "Ceph knows no setting 'frobnicate'" info rbd:p/i:frobnicate=1
refused 'the setting .client_mount_timeout. to .soon.' info rbd:p/i:client_mount_timeout=soon
refused 'not of the form rbd:POOL/' info rbd:i
refused "needs the option 'image'" info --image-opts driver=rbd,pool=p
refused "needs the option 'pool'" info --image-opts driver=rbd,image=i
refused "there is no secret 's'" info --image-opts driver=rbd,pool=p,image=i,key-secret=s
refused 'encryption by librbd is not supported' info \
    --image-opts driver=rbd,pool=p,image=i,encrypt.format=luks
refused 'none or cephx' info \
    --image-opts driver=rbd,pool=p,image=i,auth-client-required.0=x

# Nobody listens there.
refused 'cannot connect to the cluster: Connection timed out' info \
    'rbd:p/i:mon_host=127.0.0.1\:1:client_mount_timeout=2'
printf '[global]\nclient_mount_timeout = 2\n' >good.conf
refused 'cannot connect to the cluster: Connection timed out' info --image-opts \
    driver=rbd,pool=p,image=i,server.0.host=127.0.0.1,server.0.port=1,conf=good.conf
