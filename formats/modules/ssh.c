/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ssh.c - files on another machine, by SFTP: ssh://user@host:port/path
 *
 * An SSH connection serves one thread at a time (libssh knows no better), so
 * there is a small pool of them: a caller takes one that is idle, or opens
 * another, or waits.  Within a call many requests are in flight (sftp3.c).
 *
 * Durability.  A write is in the server's memory when it is answered, and safe
 * after fsync@openssh.com; a server without that extension is not written to,
 * unless the caller wants no flushes at all.  When a connection breaks, the
 * server may have died with it: what was written since the last fsync may be
 * gone, and no later fsync would tell.  So then the store is of no more use
 * ("lost").  With nothing unflushed the next call connects again.
 *
 * Growing: setting a size must not cut off what a parallel write has just
 * appended; size_lock is held shared by writes and alone by size changes.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/names.h"
#include "modules/ssh/link.h"
#include "store/protocol.h"

enum { LINKS = 4, TIMEOUT_S = 30, TIMEOUT_MAX_S = 3600 };

struct slot {
	struct ssh_link *link;		/* NULL: none (yet, or any more) */
	struct sftp3_handle handle;
	bool busy;
};

struct ssh {
	struct ssh_target target;
	char *path;
	pthread_rwlock_t size_lock;	/* before lock */
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t freed;
	struct slot slots[LINKS];
	unsigned used;			/* slots with a connection or busy */
	unsigned limit;			/* of used: lowered where the server
					 * wants no more */
	uint64_t writes, synced;	/* ended so far; of those, synced */
	bool lost;
};

/* ---- names */

static int bad_name(const char *name, const char *why, struct error *err)
{
	return error_set(err, EINVAL, "'%s': %s", name, why);
}

/* A host or user may end in a command line of ~/.ssh/config (ProxyCommand):
 * only letters that mean nothing there. */
static bool plain(const char *text, const char *extra)
{
	if (!*text || *text == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(extra, *text))
			return false;
	return true;
}

/* Sets key to the unescaped text[0, n). */
static int set_part(struct opts *o, const char *key, const char *text,
    size_t n, const char *name, struct error *err)
{
	AUTO_FREE char *value = name_unescape(text, n);

	if (!value)
		return bad_name(name, "a %XX in it is wrong", err);
	return opts_set(o, key, value, err);
}

/* "yes", "no" or "sha256:04ce2a..." */
static int set_check(struct opts *o, const char *text, struct error *err)
{
	const char *colon = strchr(text, ':');
	AUTO_FREE char *type = colon ? strndup(text, (size_t)(colon - text)) :
	    NULL;
	int rc;

	if (!strcmp(text, "yes"))
		return opts_set(o, "host-key-check.mode", "known_hosts", err);
	if (!strcmp(text, "no"))
		return opts_set(o, "host-key-check.mode", "none", err);
	if (!type || (strcmp(type, "md5") && strcmp(type, "sha1") &&
	    strcmp(type, "sha256")))
		return error_set(err, EINVAL, "host_key_check is yes, no, "
		    "md5:HASH, sha1:HASH or sha256:HASH, not '%s'", text);
	if ((rc = opts_set(o, "host-key-check.mode", "hash", err)) ||
	    (rc = opts_set(o, "host-key-check.type", type, err)))
		return rc;
	return opts_set(o, "host-key-check.hash", colon + 1, err);
}

/* "host_key_check=no&timeout=10" */
static int parse_query(const char *q, const char *name, struct opts *o,
    struct error *err)
{
	while (*q) {
		size_t n = strcspn(q, "&;"), key = strcspn(q, "=&;");
		AUTO_FREE char *value = key < n ? name_unescape(q + key + 1,
		    n - key - 1) : NULL;
		int rc;

		if (!value)
			return bad_name(name, "after '?' come KEY=VALUE pairs",
			    err);
		if (key == 14 && !strncmp(q, "host_key_check", key))
			rc = set_check(o, value, err);
		else if (key == 7 && !strncmp(q, "timeout", key))
			rc = opts_set(o, "timeout", value, err);
		else
			return error_set(err, EINVAL,
			    "'%s': unknown parameter '%.*s'", name, (int)key, q);
		if (rc)
			return rc;
		q += n + (q[n] != '\0');
	}
	return 0;
}

/* ssh://[user@]host[:port]/path[?query]; RFC 3986. */
static int parse(const char *name, struct opts *o, struct error *err)
{
	const char *rest = strchr(name, ':') + 1, *path, *at, *host, *port;
	size_t host_len;
	int rc;

	if (strncmp(rest, "//", 2))
		return bad_name(name, "it is not of the form "
		    "ssh://[USER@]HOST[:PORT]/PATH", err);
	rest += 2;
	path = rest + strcspn(rest, "/?#");
	at = memrchr(rest, '@', (size_t)(path - rest));
	host = at ? at + 1 : rest;
	if (at && (rc = set_part(o, "user", rest, (size_t)(at - rest), name,
	    err)))
		return rc;
	if (*host == '[') {		/* an IPv6 address */
		host_len = strcspn(++host, "]/?#");
		port = host + host_len;
		if (*port++ != ']')
			return bad_name(name, "its host has no ']'", err);
	} else {
		port = host + strcspn(host, ":/?#");
		host_len = (size_t)(port - host);
	}
	if (!host_len)
		return bad_name(name, "it names no host", err);
	if (*path != '/')
		return bad_name(name, "it names no path", err);
	if (port != path && (*port != ':' || port > path))
		return bad_name(name, "what follows the host is no port", err);
	if ((rc = set_part(o, "server.host", host, host_len, name, err)) ||
	    (port + 1 < path && (rc = set_part(o, "server.port", port + 1,
	    (size_t)(path - port - 1), name, err))))
		return rc;
	rest = path + strcspn(path, "?#");
	if ((rc = set_part(o, "path", path, (size_t)(rest - path), name, err)))
		return rc;
	if (*rest == '#')
		return bad_name(name, "a '#' in the path is written %23", err);
	return *rest == '?' ? parse_query(rest + 1, name, o, err) : 0;
}

/* ---- options */

static void free_target(struct ssh_target *t)
{
	free(t->host);
	free(t->user);
	free(t->hash);
}

/* The value of either key (the second is the older); NULL: none. */
static const char *take_either(struct opts *o, const char *key,
    const char *older)
{
	const char *value = opts_take(o, older), *newer = opts_take(o, key);

	return newer ? newer : value;
}

static int take_server(struct opts *o, struct ssh_target *t,
    struct error *err)
{
	const char *host = take_either(o, "server.host", "host");
	const char *port = take_either(o, "server.port", "port");
	const char *user = opts_take(o, "user");
	char *end;

	if (!host)
		return error_set(err, EINVAL,
		    "ssh needs the option 'server.host'");
	if (!plain(host, ".-_:%"))
		return error_set(err, EINVAL, "'%s' is no host", host);
	if (user && !plain(user, ".-_@+"))
		return error_set(err, EINVAL, "'%s' is no user", user);
	if (port) {
		unsigned long n = strtoul(port, &end, 10);

		if (!isdigit((unsigned char)*port) || *end || !n || n > 65535)
			return error_set(err, EINVAL, "'%s' is no port", port);
		t->port = (unsigned)n;
	}
	t->host = strdup(host);
	t->user = user ? strdup(user) : NULL;
	if (!t->host || (user && !t->user))
		return error_errno(err, ENOMEM, "connecting");
	return 0;
}

static int take_check(struct opts *o, struct ssh_target *t, struct error *err)
{
	static const char *const modes[] = {
		[CHECK_KNOWN_HOSTS] = "known_hosts", [CHECK_HASH] = "hash",
		[CHECK_NONE] = "none", NULL };
	static const char *const types[] = { [HASH_MD5] = "md5",
	    [HASH_SHA1] = "sha1", [HASH_SHA256] = "sha256", NULL };
	const char *older = opts_take(o, "host_key_check"), *hash;
	unsigned mode = CHECK_KNOWN_HOSTS, type = HASH_SHA256;
	int rc;

	if ((older && (rc = set_check(o, older, err))) ||
	    (rc = opts_take_enum(o, "host-key-check.mode", modes, &mode,
	    err)) ||
	    (rc = opts_take_enum(o, "host-key-check.type", types, &type, err)))
		return rc;
	hash = opts_take(o, "host-key-check.hash");
	if ((mode == CHECK_HASH) != (hash != NULL))
		return error_set(err, EINVAL, mode == CHECK_HASH ?
		    "host-key-check.mode=hash needs host-key-check.hash" :
		    "host-key-check.hash needs host-key-check.mode=hash");
	t->check = mode;
	t->hash_type = type;
	t->hash = hash ? strdup(hash) : NULL;
	return hash && !t->hash ? error_errno(err, ENOMEM, "connecting") : 0;
}

/* Everything; path is borrowed from opts. */
static int take_options(struct opts *o, struct ssh_target *t,
    const char **path, struct error *err)
{
	uint64_t timeout = TIMEOUT_S;
	int rc;

	*t = (struct ssh_target){ 0 };
	opts_take(o, "driver");
	*path = opts_take(o, "path");
	if ((rc = take_server(o, t, err)) || (rc = take_check(o, t, err)) ||
	    (rc = opts_take_u64(o, "timeout", &timeout, err)))
		goto fail;
	t->timeout_ms = (unsigned)timeout * 1000;
	if (!*path)
		rc = error_set(err, EINVAL, "ssh needs the option 'path'");
	else if (!timeout || timeout > TIMEOUT_MAX_S)
		rc = error_set(err, EINVAL, "timeout is 1 to %d seconds",
		    TIMEOUT_MAX_S);
fail:
	if (rc)
		free_target(t);
	return rc;
}

/* ---- the pool */

static bool unsynced(const struct ssh *s)
{
	return s->writes != s->synced;
}

static int say_lost(struct error *err)
{
	return error_set(err, EIO, "the connection was lost before all that "
	    "was written had been flushed: some of it may be gone");
}

static void drop(struct slot *slot)
{
	ssh_link_close(slot->link);
	slot->link = NULL;
}

/* Connects and opens the file.  The slot is ours. */
static int connect_slot(struct ssh *s, struct slot *slot, bool writable,
    struct error *err)
{
	int rc;

	slot->link = ssh_link_open(&s->target, err);
	if (!slot->link)
		return -err->code;
	rc = sftp3_open(ssh_link_sftp(slot->link), s->path, SFTP3_READ |
	    (writable ? SFTP3_WRITE : 0), &slot->handle, err);
	if (rc)
		drop(slot);
	return rc;
}

/* An idle connection, or an empty slot for one, waiting for either.  With
 * s->lock; the slot is busy then. */
static struct slot *wait_for_slot(struct ssh *s)
{
	struct slot *found = NULL;

	while (!found) {
		for (unsigned i = 0; i < LINKS; i++) {
			struct slot *slot = &s->slots[i];

			if (slot->busy)
				continue;
			if (slot->link) {
				found = slot;
				break;
			}
			if (!found && s->used < s->limit)
				found = slot;
		}
		if (!found)
			pthread_cond_wait(&s->freed, &s->lock);
	}
	found->busy = true;
	if (!found->link)
		s->used++;
	return found;
}

/* Gives a slot back, without its connection when that has broken; wrote: the
 * file may have been changed through it. */
static void put_slot(struct ssh *s, struct slot *slot, bool wrote)
{
	bool broken = slot->link && ssh_link_sftp(slot->link)->broken;

	if (broken)
		drop(slot);
	LOCKED(&s->lock);
	s->writes += wrote;
	s->used -= !slot->link;
	if (broken && unsynced(s))
		s->lost = true;
	slot->busy = false;
	pthread_cond_signal(&s->freed);
}

/* The server takes no further connection: is there one to share? */
static bool do_with_fewer(struct ssh *s)
{
	LOCKED(&s->lock);
	if (!s->used)
		return false;
	s->limit = s->used;
	return true;
}

static struct slot *get_slot(struct store *st, struct error *err)
{
	struct ssh *s = st->state;
	struct slot *slot;
	bool lost;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		slot = wait_for_slot(s);
		/* Dead while nobody used it: what it wrote counts as well. */
		if (slot->link && !ssh_link_alive(slot->link)) {
			drop(slot);
			s->lost |= unsynced(s);
		}
		lost = s->lost;
		pthread_mutex_unlock(&s->lock);
		if (!lost && (slot->link ||
		    !connect_slot(s, slot, st->writable, err)))
			return slot;
		put_slot(s, slot, false);
		if (lost) {
			say_lost(err);
			return NULL;
		}
		if (!do_with_fewer(s))
			return NULL;
	}
}

/* ---- the store */

static void raise_size(struct store *st, uint64_t end)
{
	uint64_t size = store_size(st);

	while (size < end && !atomic_compare_exchange_weak(&st->size, &size,
	    end))
		;
}

/* On one connection, however many there are. */
static int ssh_submit(struct store *st, struct store_req *reqs, unsigned n,
    struct error *err)
{
	struct ssh *s = st->state;
	struct slot *slot = get_slot(st, err);
	bool wrote = false;
	int rc;

	if (!slot) {
		for (unsigned i = 0; i < n; i++)
			reqs[i].ret = -err->code;
		return error_prefix(err, "'%s'", st->name);
	}
	pthread_rwlock_rdlock(&s->size_lock);
	rc = sftp3_submit(ssh_link_sftp(slot->link), &slot->handle, reqs, n,
	    err);
	for (unsigned i = 0; i < n; i++) {
		wrote |= reqs[i].write;
		if (reqs[i].write && !reqs[i].ret)
			raise_size(st, reqs[i].off +
			    iov_total(reqs[i].iov, reqs[i].n));
	}
	pthread_rwlock_unlock(&s->size_lock);
	put_slot(s, slot, wrote);
	return rc ? error_prefix(err, "'%s'", st->name) : 0;
}

static int ssh_preadv(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .iov = iov, .n = n, .off = off };

	return ssh_submit(st, &q, 1, err);
}

static int ssh_pwritev(struct store *st, const struct iovec *iov, int n,
    uint64_t off, enum store_event event, struct error *err)
{
	struct store_req q = { .write = true, .iov = iov, .n = n, .off = off };

	return ssh_submit(st, &q, 1, err);
}

/* At the size it has, or only growing (then it may have grown meanwhile). */
static int set_size(struct store *st, uint64_t size, bool grow,
    struct error *err)
{
	struct ssh *s = st->state;
	struct slot *slot = get_slot(st, err);
	int rc = 0;

	if (!slot)
		return error_prefix(err, "resizing '%s'", st->name);
	pthread_rwlock_wrlock(&s->size_lock);
	if (!grow || size > store_size(st))
		rc = sftp3_set_size(ssh_link_sftp(slot->link), &slot->handle,
		    size, err);
	if (!rc && (!grow || size > store_size(st)))
		atomic_store(&st->size, size);
	pthread_rwlock_unlock(&s->size_lock);
	put_slot(s, slot, true);
	return rc ? error_prefix(err, "'%s'", st->name) : 0;
}

/* Zeros past the end come by growing.  There is no other way than to write
 * them; and nothing to give space back with. */
static int ssh_zero(struct store *st, uint64_t off, uint64_t len,
    unsigned flags, struct error *err)
{
	if ((flags & STORE_MAY_PUNCH) && off >= store_size(st))
		return set_size(st, off + len, true, err);
	return error_set(err, ENOTSUP, "'%s' has no fast zeros", st->name);
}

static int ssh_resize(struct store *st, uint64_t size,
    enum store_prealloc prealloc, struct error *err)
{
	if (prealloc != PREALLOC_OFF)
		return error_set(err, ENOTSUP, "Unsupported preallocation mode "
		    "'%s'", prealloc == PREALLOC_FULL ? "full" : "falloc");
	return set_size(st, size, false, err);
}

static int ssh_sync(struct store *st, struct error *err)
{
	struct ssh *s = st->state;
	struct slot *slot = get_slot(st, err);
	uint64_t covered;
	int rc;

	if (!slot)
		return error_prefix(err, "flushing '%s'", st->name);
	pthread_mutex_lock(&s->lock);
	covered = s->writes;
	pthread_mutex_unlock(&s->lock);
	rc = sftp3_fsync(ssh_link_sftp(slot->link), &slot->handle, err);
	if (!rc) {
		LOCKED(&s->lock);
		if (covered > s->synced)
			s->synced = covered;
	}
	put_slot(s, slot, false);
	return rc ? error_prefix(err, "'%s'", st->name) : 0;
}

static int ssh_stat(struct store *st, struct store_stat *to, struct error *err)
{
	to->regular = true;	/* open() let nothing else in */
	return 0;
}

static int ssh_close(struct store *st, struct error *err)
{
	struct ssh *s = st->state;
	int rc = 0;

	for (unsigned i = 0; i < LINKS; i++) {
		struct slot *slot = &s->slots[i];
		struct error e;

		if (!slot->link)
			continue;
		if (st->writable && sftp3_close(ssh_link_sftp(slot->link),
		    &slot->handle, &e) && !rc && unsynced(s)) {
			*err = e;
			rc = error_prefix(err, "closing '%s'", st->name);
		}
		drop(slot);
	}
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->lock);
	pthread_rwlock_destroy(&s->size_lock);
	free_target(&s->target);
	free(s->path);
	free(s);
	return rc;
}

static const struct store_ops ops = {
	.name = "ssh",
	.preadv = ssh_preadv,
	.pwritev = ssh_pwritev,
	.submit = ssh_submit,
	.zero = ssh_zero,
	.sync = ssh_sync,
	.resize = ssh_resize,
	.stat = ssh_stat,
	.close = ssh_close,
};

/* ---- opening */

/* "ssh://user@host:port/path", with what has a meaning in it escaped. */
static char *show_name(const struct ssh_target *t, const char *path)
{
	char *name = NULL, *to, port[16] = "";
	bool v6 = strchr(t->host, ':');
	int n;

	if (t->port)
		snprintf(port, sizeof(port), ":%u", t->port);
	n = asprintf(&name, "ssh://%s%s%s%s%s%s%*s", t->user ? t->user : "",
	    t->user ? "@" : "", v6 ? "[" : "", t->host, v6 ? "]" : "", port,
	    (int)strlen(path) * 3 + 1, "");
	if (n < 0)
		return NULL;
	to = strchr(name, ' ');
	if (*path != '/')
		*to++ = '/';
	for (; *path; path++)
		to += sprintf(to, strchr("%?# ", *path) ||
		    iscntrl((unsigned char)*path) ? "%%%02X" : "%c",
		    (unsigned char)*path);
	return name;
}

/* What is behind the first connection decides on the rest. */
static int examine(struct store *st, struct slot *slot, bool no_sync,
    struct error *err)
{
	struct sftp3 *sftp = ssh_link_sftp(slot->link);
	struct sftp3_attrs attrs;
	int rc = sftp3_fstat(sftp, &slot->handle, &attrs, err);

	if (rc)
		return rc;
	if (attrs.has_mode && !S_ISREG(attrs.mode))
		return error_set(err, S_ISDIR(attrs.mode) ? EISDIR : EINVAL,
		    "it is not a regular file");
	if (!attrs.has_size || attrs.size > SIZE_LIMIT)
		return error_set(err, EFBIG, "the server tells no usable size");
	if (st->writable && !no_sync && !sftp->has_fsync)
		return error_set(err, ENOTSUP, "the server has no "
		    "fsync@openssh.com: what is written there could not be "
		    "made safe (cache mode unsafe writes all the same)");
	atomic_store(&st->size, attrs.size);
	return 0;
}

static struct store *ssh_open(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	struct ssh *s = calloc(1, sizeof(*s));
	AUTO_FREE char *name = NULL;
	struct store *st = NULL;
	struct error ignored;
	struct slot *slot;
	const char *path;
	int rc;

	if (!s) {
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	if (take_options(o, &s->target, &path, err)) {
		free(s);
		return NULL;
	}
	s->path = strdup(path);
	name = show_name(&s->target, path);
	st = s->path && name ? store_new(&ops, name) : NULL;
	if (!st) {
		free_target(&s->target);
		free(s->path);
		free(s);
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	pthread_rwlock_init(&s->size_lock, NULL);
	s->limit = LINKS;
	st->state = s;
	st->writable = args->writable;
	st->no_sync = args->no_sync;
	st->batches = true;
	slot = get_slot(st, err);
	if (slot) {
		rc = examine(st, slot, args->no_sync, err);
		put_slot(s, slot, false);
		if (!rc)
			return st;
	}
	store_close(st, &ignored);
	return NULL;
}

/* One connection, for one thing to do. */
static struct ssh_link *link_for(struct opts *o, char **path,
    struct error *err)
{
	struct ssh_link *link;
	struct ssh_target t;
	const char *taken;

	if (take_options(o, &t, &taken, err))
		return NULL;
	link = ssh_link_open(&t, err);
	free_target(&t);
	*path = link ? strdup(taken) : NULL;
	if (link && !*path) {
		error_errno(err, ENOMEM, "connecting");
		ssh_link_close(link);
		link = NULL;
	}
	return link;
}

/* An empty file, as it is with local ones: who wants a size sets it.  That one
 * is there is no error of its own (section 7), so then it is opened. */
static int ssh_create(struct opts *o, uint64_t size,
    const struct protocol_args *args, struct error *err)
{
	AUTO_FREE char *path = NULL;
	struct ssh_link *link = link_for(o, &path, err);
	const uint32_t how = SFTP3_READ | SFTP3_WRITE | SFTP3_CREATE;
	struct sftp3_handle handle;
	bool fresh;
	int rc;

	if (!link)
		return -err->code;
	rc = sftp3_open(ssh_link_sftp(link), path, how | SFTP3_EXCLUSIVE,
	    &handle, err);
	fresh = !rc;
	if (rc)
		rc = sftp3_open(ssh_link_sftp(link), path,
		    how | SFTP3_TRUNCATE, &handle, err);
	if (!rc)
		rc = sftp3_close(ssh_link_sftp(link), &handle, err);
	ssh_link_close(link);
	return rc ? rc : fresh;
}

static int ssh_remove(struct opts *o, const struct protocol_args *args,
    struct error *err)
{
	AUTO_FREE char *path = NULL;
	struct ssh_link *link = link_for(o, &path, err);
	int rc;

	if (!link)
		return -err->code;
	rc = sftp3_remove(ssh_link_sftp(link), path, err);
	ssh_link_close(link);
	return rc;
}

static const struct protocol ssh_protocol = {
	.drivers = (const char *const []){ "ssh", NULL },
	.schemes = (const char *const []){ "ssh", "sftp", NULL },
	.parse = parse,
	.open = ssh_open,
	.create = ssh_create,
	.remove = ssh_remove,
};

MODULE(&ssh_protocol);
