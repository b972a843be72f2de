/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cluster.c - the options of rbd images, and connecting to their cluster
 *
 * Ceph is configured by text.  What is said last counts: ceph.conf, then the
 * options, then the pairs in the name.  Nothing waits for ever: where nobody
 * has set limits (Ceph's default is none), ours hold.  What runs into them is
 * an error; what librbd tries again and again then is ended by call.c, after
 * half as much again.
 */
#include "modules/rbd/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

/* Longer than it takes Ceph to replace an OSD that is gone, or to take a lock
 * from a client that is: both are 20 to 30 seconds. */
enum { MON_TIMEOUT_S = 30, OSD_TIMEOUT_S = 40 };

/* ---- options */

int rbd_take_keys(struct opts *o, const struct protocol_args *args,
    struct rbd_keys *k, struct error *err)
{
	const char *secret = opts_take(o, "key-secret");
	char name[128];

	opts_take(o, "driver");
	*k = (struct rbd_keys){ .pool = opts_take(o, "pool"),
	    .name_space = opts_take(o, "namespace"),
	    .image = opts_take(o, "image"),
	    .snapshot = opts_take(o, "snapshot"),
	    .user = opts_take(o, "user"), .conf = opts_take(o, "conf") };
	if (k->name_space && !*k->name_space)
		k->name_space = NULL;
	if (!k->pool || !k->image)
		return error_set(err, EINVAL, "rbd needs the option '%s'",
		    k->pool ? "image" : "pool");
	if (opts_has_prefix(o, "encrypt"))
		return error_set(err, ENOTSUP,
		    "encryption by librbd is not supported");
	if (secret) {
		snprintf(name, sizeof(name), "%.100s.data", secret);
		k->key = args->objects ? opts_get(args->objects, name) : NULL;
		if (!k->key)
			return error_set(err, EINVAL,
			    "there is no secret '%s' (see --object)", secret);
	}
	return 0;
}

/* ---- the cluster */

static int set_conf(rados_t rados, const char *key, const char *value,
    struct error *err)
{
	int rc = rados_conf_set(rados, key, value);

	if (rc == -ENOENT)
		return error_set(err, EINVAL,
		    "Ceph knows no setting '%s'", key);
	return rc ? error_errno(err, -rc, "the setting '%s' to '%s'", key,
	    value) : 0;
}

/* Where a setting is Ceph's default, nobody has said anything. */
static int limit_wait(rados_t rados, const char *key, double usual,
    unsigned seconds, struct error *err)
{
	char value[64];

	if (rados_conf_get(rados, key, value, sizeof(value)) ||
	    strtod(value, NULL) != usual)
		return 0;
	snprintf(value, sizeof(value), "%u", seconds);
	return set_conf(rados, key, value, err);
}

/* "host:port,[v6]:port" from server.0.host, ... */
static int set_servers(rados_t rados, struct opts *o, struct error *err)
{
	char text[1024] = "";
	size_t n = 0;

	for (unsigned i = 0; i < 16; i++) {
		const char *host, *port;
		char key[32];
		bool v6;

		snprintf(key, sizeof(key), "server.%u.host", i);
		host = opts_take(o, key);
		snprintf(key, sizeof(key), "server.%u.port", i);
		port = opts_take(o, key);
		if (!host)
			break;
		v6 = strchr(host, ':');
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s%s%s%s%s%s", i ? "," : "", v6 ? "[" : "", host,
		    v6 ? "]" : "", port ? ":" : "", port ? port : "");
		if (n >= sizeof(text))
			return error_set(err, EINVAL, "too many servers");
	}
	return n ? set_conf(rados, "mon_host", text, err) : 0;
}

/* auth-client-required.0, ...: none, cephx */
static int set_auth(rados_t rados, struct opts *o, struct error *err)
{
	char text[64] = "", key[32];
	const char *value;
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "auth-client-required.%u", i);
		value = opts_take(o, key);
		if (!value)
			break;
		if (strcmp(value, "none") && strcmp(value, "cephx"))
			return error_set(err, EINVAL,
			    "auth-client-required is none or cephx, not '%s'",
			    value);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
		    i ? ";" : "", value);
	}
	return n ? set_conf(rados, "auth_client_required", text, err) : 0;
}

static int set_pairs(rados_t rados, struct opts *o, struct error *err)
{
	const char *key, *value;
	int rc = 0;

	for (unsigned i = 0; !rc && opts_at(o, i, &key, &value); i++)
		if (key[0] == '=' && opts_take(o, key))
			rc = set_conf(rados, key + 1, value, err);
	return rc;
}

/* What is said last counts: file, options, the name's own pairs. */
static int configure(rados_t rados, struct opts *o, const struct rbd_keys *k,
    struct error *err)
{
	int rc = rados_conf_read_file(rados, k->conf);
	const bool none = rc == -ENOENT && !k->conf;
	char hosts[8] = "";

	if (rc && !none)
		return error_errno(err, -rc, "reading '%s'",
		    k->conf ? k->conf : "ceph.conf");
	if ((rc = set_servers(rados, o, err)) ||
	    (rc = set_auth(rados, o, err)) ||
	    (k->key && (rc = set_conf(rados, "key", k->key, err))) ||
	    (rc = set_conf(rados, "rbd_cache", "false", err)) ||
	    (rc = set_pairs(rados, o, err)) ||
	    (rc = limit_wait(rados, "client_mount_timeout", 300,
	    MON_TIMEOUT_S, err)) ||
	    (rc = limit_wait(rados, "rados_mon_op_timeout", 0, MON_TIMEOUT_S,
	    err)) ||
	    (rc = limit_wait(rados, "rados_osd_op_timeout", 0, OSD_TIMEOUT_S,
	    err)))
		return rc;
	/* librados would ask the DNS, and print that it knows nothing. */
	if (none && !rados_conf_get(rados, "mon_host", hosts, sizeof(hosts)) &&
	    !*hosts)
		return error_set(err, ENOENT, "there is no ceph.conf, and "
		    "nothing else names a monitor (mon_host)");
	return 0;
}

/*
 * Does the monitor say that the pool is full, or over its quota?  The answer
 * has a list of the pools; of ours, "flags_names" is a list of words.
 */
bool rbd_is_full(struct rbd_cluster *c)
{
	static const char *const ask[] = { "{\"prefix\": \"osd pool ls\", "
	    "\"detail\": \"detail\", \"format\": \"json\"}" };
	char pool[256], mine[300], *reply = NULL, *text, *p, *end;
	size_t len = 0;
	bool full = false;

	if (rados_ioctx_get_pool_name(c->io, pool, sizeof(pool)) < 0 ||
	    rados_mon_command(c->rados, (const char **)(uintptr_t)ask, 1, "",
	    0, &reply, &len, NULL, NULL))
		return false;
	snprintf(mine, sizeof(mine), "\"pool_name\":\"%s\"", pool);
	text = strndup(reply, len);
	rados_buffer_free(reply);
	p = text ? strstr(text, mine) : NULL;
	p = p ? strstr(p, "\"flags_names\":\"") : NULL;
	end = p ? strchr(p + 15, '"') : NULL;
	if (end) {
		*end = '\0';
		for (p += 15; (p = strstr(p, "full")); p += 4)
			if ((p[-1] == '"' || p[-1] == ',') &&
			    (p[4] == ',' || p[4] == '\0'))
				full = true;
	}
	free(text);
	return full;
}

struct ending {
	struct call call;
	rados_t rados;
	rados_ioctx_t io;
	rbd_image_t image;
};

static ssize_t end(struct call *c)
{
	struct ending *e = (struct ending *)c;
	int rc = e->image ? rbd_close(e->image) : 0;

	if (e->io)
		rados_ioctx_destroy(e->io);
	rados_shutdown(e->rados);
	return rc;
}

int rbd_disconnect(struct rbd_cluster *c, rbd_image_t image)
{
	struct ending *e;

	if (!c->rados)
		return 0;
	if (atomic_load(&c->patience.lost))
		return -ETIMEDOUT;
	e = call_new(sizeof(*e), 0);
	if (!e)
		return -ENOMEM;
	e->rados = c->rados;
	e->io = c->io;
	e->image = image;
	c->rados = NULL;
	c->io = NULL;
	call_run(&e->call, end);
	return (int)call_end(&e->call, &c->patience);
}

static uint64_t patience_ms(rados_t rados)
{
	char seconds[64] = "";
	double s;

	rados_conf_get(rados, "rados_osd_op_timeout", seconds,
	    sizeof(seconds));
	s = strtod(seconds, NULL);
	return s > 0 && s < 1e6 ? (uint64_t)(s * 1500) + 1000 : 1500000000;
}

int rbd_connect(struct rbd_cluster *c, struct opts *o,
    const struct rbd_keys *k, struct error *err)
{
	int rc;

	memset(c, 0, sizeof(*c));
	rc = rados_create(&c->rados, k->user);
	if (rc) {
		c->rados = NULL;
		return error_errno(err, -rc, "preparing to connect");
	}
	c->patience.ms = MON_TIMEOUT_S * 1000;
	if ((rc = configure(c->rados, o, k, err)))
		goto fail;
	c->patience.ms = patience_ms(c->rados);
	rc = rados_connect(c->rados);
	if (rc == -ENOENT)
		rc = error_set(err, ENOENT, "cannot connect to the cluster: "
		    "ceph.conf or its keyring is missing, or names no monitor");
	else if (rc)
		rc = error_errno(err, -rc, "cannot connect to the cluster");
	if (rc)
		goto fail;
	rc = rados_ioctx_create(c->rados, k->pool, &c->io);
	if (rc) {
		c->io = NULL;
		rc = error_errno(err, -rc, "the pool '%s'", k->pool);
		goto fail;
	}
	if (k->name_space)
		rados_ioctx_set_namespace(c->io, k->name_space);
	return 0;
fail:
	rbd_disconnect(c, NULL);
	return rc;
}
