# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A Ceph cluster of one monitor, one manager and one OSD that keeps its data in
# memory, without authentication: all of it in one folder, and gone with it.
#
#	cluster_start FOLDER, cluster_stop FOLDER
#	cluster_wait	until the OSD is up
#	cluster_use	for a test: the cluster of "make check-ceph", or, run
#			alone, one of its own; afterwards
#	$CEPH_CONF	its configuration, which librados and the tools find by it
#	$POOL		a pool of the test's own
#
# Sourced after lib.sh.

CEPH_NEEDS='ceph ceph-mon ceph-osd ceph-mgr monmaptool rbd'

# ceph_quiet ARG...: the ceph command; what it says only if it fails.
ceph_quiet() {
	local out
	out=$(timeout 60 ceph "$@" 2>&1) || {
		echo "$out" >&2
		return 1
	}
}

cluster_conf() {
	local folder=$1 port=$2
	cat <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = [v2:127.0.0.1:$port/0,v1:127.0.0.1:$((port + 1))/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = true
run_dir = $folder
admin_socket = $folder/\$name.\$pid.asok
pid_file = $folder/\$name.pid
log_file = $folder/\$name.log
keyring = $folder/keyring
crash_dir = $folder
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 1
mon_data_avail_crit = 1
mgr_initial_modules =
mgr_tick_period = 1
mgr_stats_period = 1
osd_heartbeat_grace = 6
osd_pool_default_read_lease_ratio = 100
[mon]
mon_data = $folder/mon
mon_cluster_log_file = $folder/cluster.log
[mgr]
mgr_data = $folder/mgr
mgr_module_path = /usr/share/ceph/mgr
[osd]
osd_data = $folder/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_class_load_list = *
osd_class_default_list = *
END
}

# As whom the daemons run: ourselves.
cluster_as=()

# cluster_daemon FOLDER NAME CMD...: in the background, its process number noted.
cluster_daemon() {
	local folder=$1 name=$2
	shift 2
	"$@" -f >"$folder/$name.out" 2>&1 &
	echo $! >"$folder/$name.id"
}

cluster_start() {
	local folder=$1 port fsid osd
	port=$((20000 + RANDOM % 20000))
	mkdir -p "$folder/osd" "$folder/mgr"
	cluster_conf "$folder" "$port" >"$folder/ceph.conf"
	export CEPH_CONF=$folder/ceph.conf CEPH_CLUSTER=$folder
	fsid=$(sed -n 's/^fsid = //p' "$CEPH_CONF")
	osd=$(cat /proc/sys/kernel/random/uuid)
	: >"$folder/keyring"
	monmaptool --create --addv a "[v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]" \
	    --fsid "$fsid" "$folder/monmap" >"$folder/monmap.out" 2>&1
	read -ra cluster_as <<<"--setuser $(id -un) --setgroup $(id -gn)"
	ceph-mon "${cluster_as[@]}" --mkfs -i a --monmap "$folder/monmap" \
	    --keyring "$folder/keyring" >"$folder/mkfs.out" 2>&1
	cluster_daemon "$folder" mon ceph-mon "${cluster_as[@]}" -i a
	ceph_quiet osd new "$osd"
	ceph-osd "${cluster_as[@]}" -i 0 --mkfs --osd-uuid "$osd" \
	    >>"$folder/mkfs.out" 2>&1
	cluster_daemon "$folder" osd ceph-osd "${cluster_as[@]}" -i 0
	cluster_daemon "$folder" mgr ceph-mgr "${cluster_as[@]}" -i x
	cluster_wait
}

cluster_wait() {
	for _ in $(seq 120); do
		! timeout 10 ceph osd stat 2>/dev/null | grep -q '1 up' || return 0
		sleep 0.5
	done
	tail -n 5 "${CEPH_CONF%/*}"/*.out >&2
	fail "the cluster did not start"
}

cluster_stop() {
	local id
	for id in "$1"/*.id; do
		kill -KILL "$(cat "$id")" || true
		wait "$(cat "$id")" || true
	done
} 2>/dev/null

# shellcheck disable=SC2086
cluster_use() {
	[ -e "$BUILD/lib/cowbird/rbd.so" ] || skip "needs the rbd module (librbd)"
	requires $CEPH_NEEDS
	if [ -z "${CEPH_CLUSTER-}" ]; then
		cleanup_fn cluster_stop "$TEST_TMP/cluster"
		cluster_start "$TEST_TMP/cluster"
	fi
	POOL=test$$
	ceph_quiet osd pool create "$POOL" 8
	ceph_quiet osd pool application enable "$POOL" rbd
}
