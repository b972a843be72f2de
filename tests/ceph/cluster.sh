# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# cluster_start FOLDER, cluster_stop FOLDER: see lib.sh.  No authentication,
# one copy of everything, nothing outside of FOLDER.

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

# cluster_daemon FOLDER NAME CMD...: in the background, its process number noted.
cluster_daemon() {
	local folder=$1 name=$2
	shift 2
	"$@" -f >"$folder/$name.out" 2>&1 &
	echo $! >"$folder/$name.id"
}

# As whom the daemons run: ourselves.
cluster_as() {
	echo --setuser "$(id -un)" --setgroup "$(id -gn)"
}

cluster_osd() {
	# shellcheck disable=SC2046
	cluster_daemon "$1" osd ceph-osd $(cluster_as) -i 0
}

cluster_start() {
	local folder=$1 port fsid osd
	requires ceph ceph-mon ceph-osd ceph-mgr monmaptool
	port=$((20000 + RANDOM % 20000))
	mkdir -p "$folder/osd" "$folder/mgr"
	cluster_conf "$folder" "$port" >"$folder/ceph.conf"
	export CEPH_CONF=$folder/ceph.conf CEPH_CLUSTER=$folder
	fsid=$(sed -n 's/^fsid = //p' "$CEPH_CONF")
	osd=$(cat /proc/sys/kernel/random/uuid)
	: >"$folder/keyring"
	monmaptool --create --addv a "[v2:127.0.0.1:$port,v1:127.0.0.1:$((port + 1))]" \
	    --fsid "$fsid" "$folder/monmap" >"$folder/monmap.out" 2>&1
	# shellcheck disable=SC2046
	{
		ceph-mon $(cluster_as) --mkfs -i a --monmap "$folder/monmap" \
		    --keyring "$folder/keyring" >"$folder/mkfs.out" 2>&1
		cluster_daemon "$folder" mon ceph-mon $(cluster_as) -i a
		ceph_quiet config set mon auth_allow_insecure_global_id_reclaim true
		ceph_quiet osd new "$osd"
		ceph-osd $(cluster_as) -i 0 --mkfs --osd-uuid "$osd" >>"$folder/mkfs.out" 2>&1
		cluster_osd "$folder"
		cluster_daemon "$folder" mgr ceph-mgr $(cluster_as) -i x
	}
	for _ in $(seq 120); do
		! ceph osd stat 2>/dev/null | grep -q '1 up' || return 0
		sleep 0.5
	done
	tail -n 5 "$folder"/*.out >&2
	fail "the cluster did not start"
}

cluster_stop() {
	local id
	for id in "$1"/*.id; do
		kill -KILL "$(cat "$id")" || true
		wait "$(cat "$id")" || true
	done
} 2>/dev/null
