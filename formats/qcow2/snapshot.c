/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot.c - the snapshot table, read; an image as a snapshot has it
 *
 * The table has no length of its own: an entry says how long it is, and the
 * next one follows on the next multiple of eight.  So it is read through a
 * window that moves with the entries, and every step is held against the
 * table's limit and the end of the file, and so are the L1 tables that the
 * entries name, except for check, which says itself what is wrong with them.
 */
#include "qcow2/check.h"

enum { WINDOW = 4096 };

struct window {
	uint8_t *buf;
	size_t cap;
	uint64_t off, len;	/* what of the store is in buf */
};

/* len bytes at off; past the end of the store they are zeros. */
static const uint8_t *look(struct qcow2 *q, struct window *w, uint64_t off,
    size_t len, struct error *err)
{
	size_t want = len > WINDOW ? len : WINDOW;

	if (w->buf && off >= w->off && range_ok(off - w->off, len, w->len))
		return w->buf + (off - w->off);
	if (want > w->cap) {
		free(w->buf);
		w->cap = 0;
		w->len = 0;
		w->buf = malloc(want);
		if (!w->buf) {
			error_errno(err, ENOMEM, "snapshot table");
			return NULL;
		}
		w->cap = want;
	}
	w->len = 0;
	if (store_pread(q->store, w->buf, want, off, EVENT_SNAPSHOT_LOAD, err))
		return NULL;
	w->off = off;
	w->len = want;
	return w->buf;
}

static int check_l1(const struct qcow2 *q, const struct qcow2_snapshot *s,
    unsigned i, struct error *err)
{
	uint64_t bytes = s->l1_size * 8ull;

	if (bytes > L1_MAX_BYTES)
		return error_set(err, EFBIG, "snapshot table entry %u: L1 table "
		    "too large", i);
	if (s->l1_offset % q->cluster_size || !range_ok(s->l1_offset, bytes,
	    align_up(store_size(q->store), q->cluster_size)))
		return error_set(err, EINVAL, "snapshot table entry %u: L1 table "
		    "offset invalid", i);
	return 0;
}

/* Reads entry i at off; *len: what it takes. */
static int read_entry(struct qcow2 *q, struct window *w, unsigned i,
    uint64_t off, bool lenient, struct qcow2_snapshot *s, uint64_t *len,
    bool *incomplete, struct error *err)
{
	uint64_t size = store_size(q->store);
	struct qcow2_disk_snapshot d;
	struct qcow2_disk_snapshot_extra x = { 0 };
	uint32_t extra, id, name;
	const uint8_t *p;

	if (!lenient && !range_ok(off, sizeof(d), size))
		return error_set(err, EINVAL, "snapshot table entry %u lies "
		    "past the end of the file", i);
	p = look(q, w, off, sizeof(d), err);
	if (!p)
		return -err->code;
	memcpy(&d, p, sizeof(d));
	extra = be32_get(d.extra_len);
	id = be16_get(d.id_len);
	name = be16_get(d.name_len);
	if (extra > SNAPSHOT_EXTRA_MAX)
		return error_set(err, EFBIG,
		    "Too much extra metadata in snapshot table entry %u", i);
	*len = sizeof(d) + extra + id + name;
	if (!lenient && !range_ok(off, *len, size))
		return error_set(err, EINVAL, "snapshot table entry %u lies "
		    "past the end of the file", i);
	p = look(q, w, off, *len, err);
	if (!p)
		return -err->code;
	p += sizeof(d);
	memcpy(&x, p, extra < sizeof(x) ? extra : sizeof(x));
	s->l1_offset = be64_get(d.l1_offset);
	s->l1_size = be32_get(d.l1_size);
	s->info = (struct snapshot_info){
		.id = strndup((const char *)p + extra, id),
		.name = strndup((const char *)p + extra + id, name),
		.vm_state_size = extra >= 8 ? be64_get(x.vm_state_size) :
		    be32_get(d.vm_state_size),
		.size = extra >= 16 ? be64_get(x.size) : q->h.size,
		.date_sec = be32_get(d.date_sec),
		.date_nsec = be32_get(d.date_nsec),
		.clock_nsec = be64_get(d.vm_clock_nsec),
		.icount = extra >= 24 ? be64_get(x.icount) : UINT64_MAX,
	};
	*incomplete = q->h.version >= 3 && extra < 16;
	if (!s->info.id || !s->info.name)
		return error_errno(err, ENOMEM, "snapshot table");
	return lenient ? 0 : check_l1(q, s, i, err);
}

static int load(struct qcow2 *q, bool lenient, struct qcow2_snapshot **out,
    unsigned *n, uint64_t *table_len, bool **incomplete, struct error *err)
{
	struct qcow2_snapshot *list = NULL;
	uint32_t count = q->h.snapshot_count;
	struct window w = { 0 };
	bool *flags = NULL;
	uint64_t at = 0, len = 0;
	unsigned i = 0;
	int rc = 0;

	*out = NULL;
	*n = 0;
	if (table_len)
		*table_len = 0;
	if (incomplete)
		*incomplete = NULL;
	if (!count)
		return 0;
	if (count > SNAPSHOTS_MAX ||
	    q->h.snapshot_offset > SIZE_LIMIT - 2 * SNAPSHOT_TABLE_MAX)
		return error_set(err, EFBIG, "snapshot table too large");
	list = calloc(count, sizeof(*list));
	flags = calloc(count, sizeof(*flags));
	if (!list || !flags) {
		rc = error_errno(err, ENOMEM, "snapshot table");
		goto fail;
	}
	for (; i < count; i++) {
		at = align_up(at, 8);
		rc = read_entry(q, &w, i, q->h.snapshot_offset + at, lenient,
		    &list[i], &len, &flags[i], err);
		if (rc)
			goto fail;
		at += len;
		if (at > SNAPSHOT_TABLE_MAX) {
			rc = error_set(err, EFBIG, "snapshot table too large "
			    "(entry %u)", i);
			goto fail;
		}
	}
	free(w.buf);
	*out = list;
	*n = count;
	if (table_len)
		*table_len = at;
	if (incomplete)
		*incomplete = flags;
	else
		free(flags);
	return 0;
fail:
	free(w.buf);
	free(flags);
	qcow2_snapshots_free(list, list && i < count ? i + 1 : i);
	return rc;
}

int qcow2_snapshots_load(struct qcow2 *q, struct qcow2_snapshot **out,
    unsigned *n, uint64_t *table_len, struct error *err)
{
	return load(q, false, out, n, table_len, NULL, err);
}

int qcow2_snapshots_scan(struct qcow2 *q, struct qcow2_snapshot **out,
    unsigned *n, uint64_t *table_len, bool **incomplete, struct error *err)
{
	return load(q, true, out, n, table_len, incomplete, err);
}

void qcow2_snapshots_free(struct qcow2_snapshot *list, unsigned n)
{
	for (unsigned i = 0; list && i < n; i++) {
		free(list[i].info.id);
		free(list[i].info.name);
	}
	free(list);
}

/* ---- an image as a snapshot has it */

/* What the user says: an id, else a name; or, as the peers have it,
 * "snapshot.id=ID,snapshot.name=NAME", either or both. */
struct wanted {
	const char *any, *id, *name;
};

static int parse_wanted(const char *text, struct opts *opts,
    struct wanted *w, struct error *err)
{
	const char *unknown;
	int rc;

	*w = (struct wanted){ .any = text };
	if (strncmp(text, "snapshot.", 9))
		return 0;
	if ((rc = opts_parse(opts, text, NULL, err)))
		return rc;
	w->any = NULL;
	w->id = opts_take(opts, "snapshot.id");
	w->name = opts_take(opts, "snapshot.name");
	unknown = opts_unused(opts);
	return unknown ? error_set(err, EINVAL, "Invalid parameter '%s'",
	    unknown) : 0;
}

static const struct qcow2_snapshot *find(const struct qcow2_snapshot *list,
    unsigned n, const struct wanted *w)
{
	for (unsigned i = 0; i < n; i++) {
		const struct snapshot_info *s = &list[i].info;

		if (w->any ? !strcmp(s->id, w->any) :
		    (!w->id || !strcmp(s->id, w->id)) &&
		    (!w->name || !strcmp(s->name, w->name)))
			return &list[i];
	}
	for (unsigned i = 0; w->any && i < n; i++)
		if (!strcmp(list[i].info.name, w->any))
			return &list[i];
	return NULL;
}

int qcow2_snapshot_select(struct qcow2 *q, const char *text,
    struct error *err)
{
	struct qcow2_snapshot *list = NULL;
	const struct qcow2_snapshot *s;
	struct opts *opts = opts_new();
	struct wanted w;
	unsigned n = 0;
	int rc;

	if (!opts)
		return error_errno(err, ENOMEM, "options");
	rc = parse_wanted(text, opts, &w, err);
	if (rc || (rc = qcow2_snapshots_load(q, &list, &n, NULL, err)))
		goto out;
	s = find(list, n, &w);
	if (!s) {
		rc = q->image->args.policy == POLICY_PEER ?
		    error_set(err, ENOENT, "Can't find snapshot") :
		    error_set(err, ENOENT, "no internal snapshot '%s'", text);
		goto out;
	}
	q->h.l1_offset = s->l1_offset;
	q->h.l1_size = s->l1_size;
	q->h.size = s->info.size;
	q->at_snapshot = true;
	if (q->h.size > SIZE_LIMIT)
		rc = error_set(err, EFBIG, "size of snapshot '%s' is out of "
		    "range", s->info.name);
out:
	qcow2_snapshots_free(list, n);
	opts_free(opts);
	return rc;
}
