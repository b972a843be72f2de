# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A Ceph cluster of one monitor, one manager and one OSD that keeps its data in
# memory, all in the test's folder and gone with it.  Sourced after lib.sh;
# starts the cluster unless one was started for all (make check-ceph).
#
#	$CEPH_CONF	its configuration, which librados and the tools find by it
#	$POOL		a pool of the test's own

. "$SRC/tests/ceph/cluster.sh"

[ -e "$BUILD/lib/cowbird/rbd.so" ] || skip "needs the rbd module (librbd)"
requires ceph rbd
if [ -z "${CEPH_CLUSTER-}" ]; then
	cluster_start "$TEST_TMP/cluster"
	cleanup_fn cluster_stop "$TEST_TMP/cluster"
fi
POOL=test$$
ceph_quiet osd pool create "$POOL" 8
ceph_quiet osd pool application enable "$POOL" rbd
