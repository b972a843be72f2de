/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rbd.c - images in a Ceph cluster, by librbd: rbd:pool/image
 *
 * Every request is librbd's asynchronous one, waited for by the thread that
 * makes it (a batch: all begun, then all waited for), so callers run in
 * parallel and librbd spreads their objects over the cluster.
 *
 * An image of librbd ends where it was told to; what is written behind its end
 * is cut off without a word.  So whoever writes past the end grows it first,
 * by whole objects: size_lock is held shared by writes, alone by resizing.
 *
 * librbd's cache is off unless the name says otherwise (:rbd_cache=true): the
 * callers are parallel without it, and when the cluster does not take what is
 * in it, closing the image never ends.
 *
 * Nothing waits for ever: where the configuration knows no limits (Ceph's
 * default), ours hold.  To a full pool librbd waits for room; what timed out is
 * asked after and told as what it is.
 */
#include <inttypes.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "store/protocol.h"

enum { MON_TIMEOUT_S = 30, OSD_TIMEOUT_S = 60 };

/* What one call of librbd is given: it keeps a list of all objects. */
#define ZERO_STEP (1 * GIB)

struct cluster {
	rados_t rados;
	rados_ioctx_t io;
};

struct rbd {
	struct cluster cluster;
	rbd_image_t image;
	uint64_t object;		/* size of one */
	pthread_rwlock_t size_lock;
};

/* ---- names: rbd:pool/[namespace/]image[@snapshot][:key=value]... */

/* The text up to an unescaped "stop" or the end, a backslash before any letter
 * taken away; *rest is behind the stop, NULL when there was none. */
static char *take_token(const char *text, char stop, const char **rest)
{
	char *token = malloc(strlen(text) + 1), *to = token;

	if (!token)
		return NULL;
	for (; *text && *text != stop; text++) {
		if (*text == '\\' && text[1])
			text++;
		*to++ = *text;
	}
	*to = '\0';
	*rest = *text ? text + 1 : NULL;
	return token;
}

/* The unescaped "c" in text before an unescaped "stop" (0: its end). */
static bool has_letter(const char *text, char c, char stop)
{
	for (; *text && *text != stop; text++) {
		if (*text == c)
			return true;
		if (*text == '\\' && text[1])
			text++;
	}
	return false;
}

/* Moves *text behind the token it begins with, which becomes the value of
 * key. */
static int take_part(const char **text, char stop, struct opts *o,
    const char *key, struct error *err)
{
	AUTO_FREE char *token = take_token(*text, stop, text);

	if (!token)
		return error_errno(err, ENOMEM, "options");
	if (!*token)
		return error_set(err, EINVAL, "the name has an empty %s", key);
	return opts_set(o, key, token, err);
}

/* key=value: id and conf are ours, all others the cluster's configuration;
 * they are passed on as "=key". */
static int take_setting(const char **text, struct opts *o, struct error *err)
{
	AUTO_FREE char *pair = take_token(*text, ':', text), *key = NULL;
	char *value = pair ? strchr(pair, '=') : NULL;

	if (!pair)
		return error_errno(err, ENOMEM, "options");
	if (!value || value == pair)
		return error_set(err, EINVAL,
		    "'%s' is not of the form KEY=VALUE", pair);
	*value++ = '\0';
	if (!strcmp(pair, "id"))
		return opts_set(o, "user", value, err);
	if (!strcmp(pair, "conf"))
		return opts_set(o, "conf", value, err);
	if (asprintf(&key, "=%s", pair) < 0) {
		key = NULL;
		return error_errno(err, ENOMEM, "options");
	}
	return opts_set(o, key, value, err);
}

static int parse(const char *name, struct opts *o, struct error *err)
{
	const char *text = strchr(name, ':') + 1;
	bool has_snapshot;
	char stop;
	int rc;

	if (!has_letter(text, '/', ':'))
		return error_set(err, EINVAL, "'%s' is not of the form "
		    "rbd:POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:KEY=VALUE]...",
		    name);
	if ((rc = take_part(&text, '/', o, "pool", err)))
		return rc;
	has_snapshot = text && has_letter(text, '@', ':');
	stop = has_snapshot ? '@' : ':';
	if (text && has_letter(text, '/', stop) &&
	    (rc = take_part(&text, '/', o, "namespace", err)))
		return rc;
	if ((rc = take_part(&text, stop, o, "image", err)) ||
	    (has_snapshot && (rc = take_part(&text, ':', o, "snapshot", err))))
		return rc;
	while (text && *text)
		if ((rc = take_setting(&text, o, err)))
			return rc;
	return 0;
}

/* ---- options */

struct keys {			/* borrowed from opts */
	const char *pool, *name_space, *image, *snapshot, *user, *conf;
	const char *key;	/* of --object secret */
};

static int take_keys(struct opts *o, const struct protocol_args *args,
    struct keys *k, struct error *err)
{
	const char *secret = opts_take(o, "key-secret");
	char name[128];

	opts_take(o, "driver");
	*k = (struct keys){ .pool = opts_take(o, "pool"),
	    .name_space = opts_take(o, "namespace"),
	    .image = opts_take(o, "image"),
	    .snapshot = opts_take(o, "snapshot"),
	    .user = opts_take(o, "user"), .conf = opts_take(o, "conf") };
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

/* The user's settings win over ours, and where they are Ceph's default nobody
 * has said anything. */
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
static int configure(rados_t rados, struct opts *o, const struct keys *k,
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
static bool is_full(struct cluster *c)
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

static void disconnect(struct cluster *c)
{
	if (c->io)
		rados_ioctx_destroy(c->io);
	if (c->rados)
		rados_shutdown(c->rados);
	*c = (struct cluster){ 0 };
}

static int connect_cluster(struct cluster *c, struct opts *o,
    const struct keys *k, struct error *err)
{
	int rc;

	*c = (struct cluster){ 0 };
	rc = rados_create(&c->rados, k->user);
	if (rc) {
		c->rados = NULL;
		return error_errno(err, -rc, "preparing to connect");
	}
	if ((rc = configure(c->rados, o, k, err)))
		goto fail;
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
	disconnect(c);
	return rc;
}

/* ---- requests */

/* Waits for one that was begun by a call that returned "begun". */
static ssize_t finish(rbd_completion_t c, int begun)
{
	ssize_t rc = begun;

	if (!begun) {
		rbd_aio_wait_for_complete(c);
		rc = rbd_aio_get_return_value(c);
	}
	rbd_aio_release(c);
	return rc;
}

static int new_completion(rbd_completion_t *c)
{
	return rbd_aio_create_completion(NULL, NULL, c);
}

/* Zeros where a read found the end: all bytes from "skip" on. */
static void zero_from(const struct iovec *iov, int n, uint64_t skip)
{
	for (; n--; iov++) {
		if (skip < iov->iov_len)
			memset((uint8_t *)iov->iov_base + skip, 0,
			    iov->iov_len - skip);
		skip -= min64(skip, iov->iov_len);
	}
}

static int failed(struct store *st, const char *doing, uint64_t off,
    ssize_t rc, struct error *err)
{
	struct rbd *r = st->state;

	if (rc == -ETIMEDOUT && st->writable && is_full(&r->cluster))
		rc = -ENOSPC;
	return error_errno(err, (int)-rc, "%s '%s' at offset %" PRIu64, doing,
	    st->name, off);
}

/* Grows the image, by whole objects, to hold [0, end). */
static int make_room(struct store *st, uint64_t end, struct error *err)
{
	struct rbd *r = st->state;
	uint64_t size;
	int rc = 0;

	if (end <= store_size(st))
		return 0;
	size = align_up(end, r->object);
	pthread_rwlock_wrlock(&r->size_lock);
	if (end > store_size(st)) {
		rc = rbd_resize(r->image, size);
		if (!rc)
			atomic_store(&st->size, size);
	}
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "growing '%s' to %" PRIu64 " bytes",
	    st->name, size) : 0;
}

/*
 * All are begun before any is waited for.  Their number is the caller's; their
 * data is bounded by librados (objecter_inflight_op_bytes).
 */
static int rbd_submit(struct store *st, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct rbd *r = st->state;
	AUTO_FREE struct { rbd_completion_t c; int begun; } *of =
	    calloc(n, sizeof(*of));
	uint64_t end = 0;
	int rc = 0;

	if (!of)
		return error_errno(err, ENOMEM, "batch");
	for (unsigned i = 0; i < n; i++)
		if (reqs[i].write)
			end = max64(end, reqs[i].off +
			    iov_total(reqs[i].iov, reqs[i].n));
	if ((rc = make_room(st, end, err))) {
		for (unsigned i = 0; i < n; i++)
			reqs[i].ret = rc;
		return rc;
	}
	pthread_rwlock_rdlock(&r->size_lock);
	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];

		q->ret = 0;
		if (!q->write && q->off >= store_size(st)) {
			zero_from(q->iov, q->n, 0);
			continue;
		}
		q->ret = new_completion(&of[i].c);
		if (q->ret)
			continue;
		of[i].begun = q->write ?
		    rbd_aio_writev(r->image, q->iov, q->n, q->off, of[i].c) :
		    rbd_aio_readv(r->image, q->iov, q->n, q->off, of[i].c);
	}
	for (unsigned i = 0; i < n; i++) {
		struct store_req *q = &reqs[i];
		ssize_t got;

		if (of[i].c) {
			got = finish(of[i].c, of[i].begun);
			q->ret = got < 0 ? (int)got : 0;
			if (got >= 0 && !q->write)
				zero_from(q->iov, q->n, (uint64_t)got);
		}
		if (q->ret)
			rc = failed(st, q->write ? "writing" : "reading",
			    q->off, q->ret, err);
	}
	pthread_rwlock_unlock(&r->size_lock);
	return rc;
}

static int rbd_preadv(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .iov = iov, .n = n, .off = off };

	return rbd_submit(st, &q, 1, err);
}

static int rbd_pwritev(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .write = true, .iov = iov, .n = n, .off = off };

	return rbd_submit(st, &q, 1, err);
}

/* zeroes: they must be zeros; else librbd may leave what is no whole object
 * (or rbd_discard_granularity_bytes). */
static int clear(struct store *st, uint64_t off, uint64_t len, bool zeroes,
    int flags, struct error *err)
{
	struct rbd *r = st->state;
	rbd_completion_t c;
	ssize_t rc = 0;

	pthread_rwlock_rdlock(&r->size_lock);
	while (len && !rc) {
		uint64_t step = min64(len, ZERO_STEP - off % ZERO_STEP);

		rc = new_completion(&c);
		if (rc)
			break;
		rc = finish(c, zeroes ? rbd_aio_write_zeroes(r->image, off,
		    step, c, flags, 0) :
		    rbd_aio_discard(r->image, off, step, c));
		if (rc >= 0) {
			rc = 0;
			off += step;
			len -= step;
		}
	}
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? failed(st, zeroes ? "writing zeros to" : "discarding in",
	    off, rc, err) : 0;
}

static int rbd_zero(struct store *st, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	bool thick = !(flags & STORE_MAY_PUNCH);
	int rc;

	if (thick && (flags & STORE_NO_FALLBACK))
		return error_set(err, ENOTSUP,
		    "'%s' has no fast zeros that take space", st->name);
	if ((rc = make_room(st, off + len, err)))
		return rc;
	return clear(st, off, len, true, thick ?
	    RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0, err);
}

static int rbd_punch(struct store *st, uint64_t off, uint64_t len,
    struct error *err)
{
	return clear(st, off, len, false, 0, err);
}

static int rbd_sync(struct store *st, struct error *err)
{
	struct rbd *r = st->state;
	rbd_completion_t c;
	ssize_t rc = new_completion(&c);

	if (!rc)
		rc = finish(c, rbd_aio_flush(r->image, c));
	return rc < 0 ? error_errno(err, (int)-rc, "flushing '%s'", st->name) :
	    0;
}

static int rbd_resize_store(struct store *st, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	struct rbd *r = st->state;
	int rc;

	if (prealloc != PREALLOC_OFF)
		return error_set(err, ENOTSUP, "Unsupported preallocation mode "
		    "'%s'", prealloc == PREALLOC_FULL ? "full" : "falloc");
	pthread_rwlock_wrlock(&r->size_lock);
	rc = rbd_resize(r->image, size);
	if (!rc)
		atomic_store(&st->size, size);
	pthread_rwlock_unlock(&r->size_lock);
	return rc ? error_errno(err, -rc, "resizing '%s'", st->name) : 0;
}

/* ---- holes */

/* The first run of a range, put together from what librbd tells in order. */
struct run {
	uint64_t end;		/* of the data, or of the hole once data came */
	bool data;
};

enum { ENOUGH = 1 << 20 };	/* no errno: the run is known, tell no more */

static int on_extent(uint64_t off, size_t len, int exists, void *arg)
{
	struct run *r = arg;
	if (!exists || off + len <= r->end)
		return 0;
	if (off > r->end) {		/* a hole ends here, or begins before */
		if (!r->data)
			r->end = off;
		return -ENOUGH;
	}
	r->data = true;
	r->end = off + len;
	return 0;
}

/* Objects (their written part, to be exact) against nothing: without
 * whole_object, for an object map says that an object is there and not how
 * much of it; with the parents of a clone. */
static int rbd_extent(struct store *st, uint64_t off, uint64_t len,
    bool *data, uint64_t *run, struct error *err)
{
	struct rbd *rbd = st->state;
	struct run r = { .end = off };
	int rc = rbd_diff_iterate2(rbd->image, NULL, off, len, 1, 0, on_extent,
	    &r);

	if (rc && rc != -ENOUGH)
		return failed(st, "finding the holes of", off, rc, err);
	*data = r.data;
	*run = r.end > off ? min64(r.end - off, len) : len;
	return 0;
}

/* ---- opening, creating */

static int rbd_close_store(struct store *st, struct error *err)
{
	struct rbd *r = st->state;
	int rc = r->image ? rbd_close(r->image) : 0;

	disconnect(&r->cluster);
	pthread_rwlock_destroy(&r->size_lock);
	free(r);
	return rc ? error_errno(err, -rc, "closing '%s'", st->name) : 0;
}

static const struct store_ops ops = {
	.name = "rbd",
	.preadv = rbd_preadv,
	.pwritev = rbd_pwritev,
	.submit = rbd_submit,
	.zero = rbd_zero,
	.punch = rbd_punch,
	.sync = rbd_sync,
	.resize = rbd_resize_store,
	.extent = rbd_extent,
	.close = rbd_close_store,
};

static int say_full(const struct keys *k, struct error *err)
{
	return error_set(err, ENOSPC, "the pool '%s' is full or over its quota",
	    k->pool);
}

static int open_image(struct store *st, const struct keys *k,
    struct error *err)
{
	struct rbd *r = st->state;
	rbd_image_info_t info;
	int rc;

	if (st->writable && is_full(&r->cluster))
		return say_full(k, err);
	rc = st->writable ? rbd_open(r->cluster.io, k->image, &r->image, NULL) :
	    rbd_open_read_only(r->cluster.io, k->image, &r->image,
	    k->snapshot);

	if (rc) {
		r->image = NULL;
		return error_errno(err, -rc, "cannot open it");
	}
	rc = rbd_stat(r->image, &info, sizeof(info));
	if (rc)
		return error_errno(err, -rc, "cannot find out its size");
	if (info.size > SIZE_LIMIT || !is_pow2(info.obj_size))
		return error_set(err, EFBIG, "its size is out of range");
	r->object = info.obj_size;
	atomic_store(&st->size, info.size);
	return 0;
}

static struct store *open_rbd(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	AUTO_FREE char *name = NULL;
	struct error ignored;
	struct store *st;
	struct keys k;
	struct rbd *r;

	if (take_keys(o, args, &k, err))
		return NULL;
	if (k.snapshot && args->writable) {
		error_set(err, EROFS, "a snapshot can only be read");
		return NULL;
	}
	if (asprintf(&name, "rbd:%s/%s%s%s%s%s", k.pool,
	    k.name_space ? k.name_space : "", k.name_space ? "/" : "", k.image,
	    k.snapshot ? "@" : "", k.snapshot ? k.snapshot : "") < 0)
		name = NULL;
	r = calloc(1, sizeof(*r));
	st = r && name ? store_new(&ops, name) : NULL;
	if (!st) {
		free(r);
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	pthread_rwlock_init(&r->size_lock, NULL);
	st->state = r;
	st->writable = args->writable;
	st->no_sync = args->no_sync;
	st->batches = true;
	if (!connect_cluster(&r->cluster, o, &k, err) &&
	    !open_image(st, &k, err))
		return st;
	store_close(st, &ignored);
	return NULL;
}

/* One that exists is nobody's to replace: others may use it, it may have
 * snapshots and clones.  (So it is with the peers.) */
static int create(struct opts *o, uint64_t size,
    const struct protocol_args *args, struct error *err)
{
	rbd_image_options_t options;
	struct cluster c;
	struct keys k;
	int rc = take_keys(o, args, &k, err);

	if (rc)
		return rc;
	if (k.snapshot)
		return error_set(err, EINVAL,
		    "a snapshot cannot be created as an image");
	if ((rc = connect_cluster(&c, o, &k, err)))
		return rc;
	if (is_full(&c)) {
		rc = say_full(&k, err);
	} else {
		rbd_image_options_create(&options); /* none: as configured */
		rc = rbd_create4(c.io, k.image, size, options);
		rbd_image_options_destroy(options);
		if (rc)
			error_errno(err, -rc, "cannot create it");
	}
	disconnect(&c);
	return rc;
}

static int remove_image(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	struct cluster c;
	struct keys k;
	int rc = take_keys(o, args, &k, err);

	if (rc || (rc = connect_cluster(&c, o, &k, err)))
		return rc;
	rc = rbd_remove(c.io, k.image);
	if (rc)
		error_errno(err, -rc, "cannot remove it");
	disconnect(&c);
	return rc;
}

static const struct protocol rbd_protocol = {
	.drivers = (const char *const []){ "rbd", NULL },
	.schemes = (const char *const []){ "rbd", NULL },
	.parse = parse,
	.open = open_rbd,
	.create = create,
	.remove = remove_image,
};

MODULE(&rbd_protocol);
