/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree.c - names, attributes, opening files
 *
 *	disk  disk.json  p1 p2 ...  snapshots/NAME/{disk,p1,p2,...}
 *
 * Nothing of it is made or removed while it is mounted, so an inode number
 * says by itself what it is: (disk << 12) + item + 1, where disk is 0 for the
 * live one.  The root is then 1, as it has to be; on a regular file the root
 * is the file.
 *
 * Caching.  The kernel keeps pages of a file (FOPEN_KEEP_CACHE) unless it is
 * opened with O_DIRECT: then we say FOPEN_DIRECT_IO, with which writes run in
 * parallel and are what the caller made them, not what pages make of them.
 * Older kernels do not keep the one in step with the other, so while a file
 * is open in one way, it is opened in that way, and what was cached before
 * such writes is dropped.  Files that overlap and are written (partitions)
 * are never cached.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "export.h"

_Static_assert(sizeof(struct fuse_open_out) == 16, "kernel's structure");

/* Seconds.  Names do not change; sizes and times only by what the kernel
 * sends us, but for the space that is taken. */
#define NAME_TIMEOUT 3600.0
#define ATTR_TIMEOUT 1.0

enum { ITEM_BITS = 12, OPEN_CACHED = 1, OPEN_DIRECT = 2, RELEASE_MS = 50 };

/* ---- inodes */

static fuse_ino_t node_ino(const struct export *x, const struct disk *d,
    unsigned item)
{
	const uint64_t at = d == &x->live ? 0 : (uint64_t)(d - x->snapshots) +
	    1;

	return (at << ITEM_BITS) + item + FUSE_ROOT_ID;
}

bool node_find(struct export *x, fuse_ino_t ino, struct node *n)
{
	const uint64_t at = (ino - FUSE_ROOT_ID) >> ITEM_BITS;

	n->item = (ino - FUSE_ROOT_ID) & ((1u << ITEM_BITS) - 1);
	if (!x->folder)
		n->item = ITEM_FILE;
	if (at > x->snapshot_count)
		return false;
	n->disk = at ? &x->snapshots[at - 1] : &x->live;
	n->file = NULL;
	if (n->item >= ITEM_FILE) {
		if (n->item - ITEM_FILE >= n->disk->count)
			return false;
		n->file = &n->disk->files[n->item - ITEM_FILE];
	}
	return true;
}

static struct export *of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Answers ENOENT (a forgotten inode) when there is none. */
static bool find(fuse_req_t req, fuse_ino_t ino, struct node *n)
{
	if (node_find(of(req), ino, n))
		return true;
	fuse_reply_err(req, ENOENT);
	return false;
}

static bool is_folder(const struct node *n)
{
	return n->item == ITEM_FOLDER || n->item == ITEM_SNAPSHOTS;
}

/* ---- attributes */

static void fill_file(struct export *x, const struct node *n, struct stat *st)
{
	struct file *f = n->file;
	const int64_t mtime = atomic_load(&f->mtime);
	struct store_stat s;
	struct error ignored;

	st->st_size = (off_t)file_size(x, n);
	st->st_blocks = (blkcnt_t)div_up((uint64_t)st->st_size, 512);
	/* du(1) of the disk is what the image takes. */
	if (n->disk == &x->live && !f->number &&
	    !store_stat(n->disk->image->store, &s, &ignored))
		st->st_blocks = (blkcnt_t)(s.allocated / 512);
	st->st_mtim.tv_sec = mtime / 1000000000;
	st->st_mtim.tv_nsec = mtime % 1000000000;
	st->st_ctim = st->st_mtim;
	LOCKED(&x->lock);
	st->st_mode = S_IFREG | f->mode;
	st->st_uid = f->uid;
	st->st_gid = f->gid;
}

static void fill(struct export *x, const struct node *n, struct stat *st)
{
	const struct file *whole = x->live.files;

	memset(st, 0, sizeof(*st));
	st->st_ino = node_ino(x, n->disk, n->item);
	st->st_nlink = 1;
	st->st_blksize = 65536;
	st->st_atim = st->st_mtim = st->st_ctim = x->start;
	if (n->file) {
		fill_file(x, n, st);
		return;
	}
	LOCKED(&x->lock);
	st->st_uid = getuid();
	st->st_gid = getgid();
	/* Who may read the disk may see what there is. */
	st->st_mode = whole->mode & 0444;
	if (n->item == ITEM_JSON) {
		st->st_mode |= S_IFREG;
		st->st_size = (off_t)x->json_len;
		st->st_blocks = (blkcnt_t)div_up(x->json_len, 512);
	} else {
		st->st_mode |= S_IFDIR | (st->st_mode >> 2);
		st->st_nlink = 2;
	}
}

static void reply_attr(fuse_req_t req, const struct node *n)
{
	struct stat st;

	fill(of(req), n, &st);
	fuse_reply_attr(req, &st, ATTR_TIMEOUT);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino,
    struct fuse_file_info *fi)
{
	struct node n;

	if (find(req, ino, &n))
		reply_attr(req, &n);
}

/* The kernel has checked who asks (default_permissions). */
static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st,
    int to_set, struct fuse_file_info *fi)
{
	struct export *x = of(req);
	struct timespec now;
	struct node n;
	int rc = 0;

	if (!find(req, ino, &n))
		return;
	if (!n.file || n.disk != &x->live || !x->writable) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (to_set & FUSE_SET_ATTR_SIZE)
		rc = data_truncate(x, &n, (uint64_t)st->st_size);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	pthread_mutex_lock(&x->lock);
	if (to_set & FUSE_SET_ATTR_MODE)
		n.file->mode = st->st_mode & 0777;
	if (to_set & FUSE_SET_ATTR_UID)
		n.file->uid = st->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		n.file->gid = st->st_gid;
	pthread_mutex_unlock(&x->lock);
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
		now = st->st_mtim;
		if (to_set & FUSE_SET_ATTR_MTIME_NOW)
			clock_gettime(CLOCK_REALTIME, &now);
		atomic_store(&n.file->mtime,
		    now.tv_sec * 1000000000LL + now.tv_nsec);
	}
	reply_attr(req, &n);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct export *x = of(req);
	struct statvfs st = { .f_bsize = 4096, .f_frsize = 4096,
	    .f_files = 2 + x->live.count, .f_namemax = 255 };
	const struct node n = { &x->live, x->live.files, ITEM_FILE };

	/* Full, as any disk image is: it has the size it has. */
	st.f_blocks = div_up(file_size(x, &n), st.f_frsize);
	fuse_reply_statfs(req, &st);
}

/* ---- names */

/* Item of this name in a disk's folder, or -1. */
static int find_item(const struct export *x, const struct disk *d,
    const char *name)
{
	char text[16];

	if (!strcmp(name, "disk"))
		return ITEM_FILE;
	if (d == &x->live && !strcmp(name, "disk.json"))
		return ITEM_JSON;
	if (d == &x->live && !strcmp(name, "snapshots"))
		return ITEM_SNAPSHOTS;
	for (unsigned i = 1; i < d->count; i++) {
		snprintf(text, sizeof(text), "p%u", d->files[i].number);
		if (!strcmp(name, text))
			return (int)(ITEM_FILE + i);
	}
	return -1;
}

static struct disk *find_snapshot(struct export *x, const char *name)
{
	unsigned from = 0, to = x->snapshot_count;

	while (from < to) {
		const unsigned mid = from + (to - from) / 2;
		const int order = strcmp(name, x->snapshots[mid].name);

		if (!order)
			return &x->snapshots[mid];
		if (order < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

/* Looks at a snapshot once, so that its files are known; answers when that
 * fails. */
static bool known(fuse_req_t req, struct disk *d)
{
	struct export *x = of(req);
	struct error err;

	if (disk_get(x, d, &err)) {
		fuse_reply_err(req, export_failed(x, &err));
		return false;
	}
	disk_put(x, d);
	return true;
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct export *x = of(req);
	struct fuse_entry_param e = { .attr_timeout = ATTR_TIMEOUT,
	    .entry_timeout = NAME_TIMEOUT };
	struct node n;
	int item = -1;

	if (!find(req, parent, &n))
		return;
	if (n.item == ITEM_SNAPSHOTS) {
		struct disk *d = find_snapshot(x, name);

		if (d) {
			n.disk = d;
			item = ITEM_FOLDER;
		}
	} else if (n.item == ITEM_FOLDER) {
		if (!known(req, n.disk))
			return;
		item = find_item(x, n.disk, name);
	} else {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	if (item < 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e.ino = node_ino(x, n.disk, (unsigned)item);
	if (find(req, e.ino, &n)) {
		fill(x, &n, &e.attr);
		fuse_reply_entry(req, &e);
	}
}

/* The name at place i of a folder, where 0 and 1 are "." and ".."; NULL: past
 * the end.  *item, *disk: what it is. */
static const char *entry_at(struct export *x, const struct node *n, uint64_t i,
    char text[16], unsigned *item, struct disk **disk)
{
	static const unsigned fixed[] = { ITEM_JSON, ITEM_SNAPSHOTS };
	static const char *const names[] = { "disk.json", "snapshots" };

	*disk = n->disk;
	*item = n->item;
	if (i < 2)
		return i ? ".." : ".";
	i -= 2;
	if (n->item == ITEM_SNAPSHOTS) {
		if (i >= x->snapshot_count)
			return NULL;
		*item = ITEM_FOLDER;
		*disk = &x->snapshots[i];
		return (*disk)->name;
	}
	if (i < n->disk->count) {
		const unsigned number = n->disk->files[i].number;

		*item = ITEM_FILE + (unsigned)i;
		if (!number)
			return "disk";
		snprintf(text, 16, "p%u", number);
		return text;
	}
	i -= n->disk->count;
	if (n->disk != &x->live || i >= ARRAY_LEN(fixed))
		return NULL;
	*item = fixed[i];
	return names[i];
}

static void do_opendir(fuse_req_t req, fuse_ino_t ino,
    struct fuse_file_info *fi)
{
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (!is_folder(&n))
		fuse_reply_err(req, ENOTDIR);
	else if (known(req, n.disk))
		fuse_reply_open(req, fi);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct export *x = of(req);
	const size_t room = min64(size, 65536);
	AUTO_FREE char *buf = malloc(room);
	struct stat st = { 0 };
	struct disk *disk;
	struct node n;
	const char *name;
	char text[16];
	unsigned item;
	size_t used = 0, need;

	if (!find(req, ino, &n))
		return;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (uint64_t i = (uint64_t)off; (name = entry_at(x, &n, i, text,
	    &item, &disk)); i++) {
		st.st_ino = node_ino(x, disk, item);
		st.st_mode = item == ITEM_FOLDER || item == ITEM_SNAPSHOTS ?
		    S_IFDIR : S_IFREG;
		need = fuse_add_direntry(req, buf + used, room - used, name,
		    &st, (off_t)i + 1);
		if (need > room - used)
			break;
		used += need;
	}
	fuse_reply_buf(req, buf, used);
}

/* ---- files */

/* The kernel tells of a closing when it has time: who closed a file and opens
 * it the other way is not to be taken for two. */
static void await_release(struct export *x, const struct file *f)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += RELEASE_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (f->direct && !f->cached && !pthread_cond_timedwait(
	    &x->released, &x->lock, &until))
		;
}

/* How this opening is to be, and what it says to the kernel. */
static unsigned open_mode(struct export *x, const struct node *n, int flags,
    uint32_t *out)
{
	struct file *f = n->file;
	const bool fixed = n->disk != &x->live || !x->writable;
	bool direct = flags & O_DIRECT || n->disk->image->args.direct;
	LOCKED(&x->lock);

	if (!fixed) {
		if (!x->uncached && !direct)
			await_release(x, f);
		if (x->uncached)
			direct = true;
		else if (f->cached)
			direct = false;
		else if (f->direct)
			direct = true;
	}
	if (direct) {
		f->direct++;
		f->stale = f->stale || !fixed;
		*out = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
		return OPEN_DIRECT;
	}
	f->cached++;
	*out = f->stale ? 0 : FOPEN_KEEP_CACHE;
	f->stale = false;
	return OPEN_CACHED;
}

static void open_json(fuse_req_t req, struct fuse_file_info *fi)
{
	struct export *x = of(req);
	struct error err;
	char *text;
	size_t len;

	if (export_json(x, &text, &len, &err)) {
		fuse_reply_err(req, export_failed(x, &err));
		return;
	}
	pthread_mutex_lock(&x->lock);
	free(x->json);
	x->json = text;
	x->json_len = len;
	pthread_mutex_unlock(&x->lock);
	/* Its length may be another the next time. */
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void close_file(struct export *x, const struct node *n, uint64_t mode)
{
	pthread_mutex_lock(&x->lock);
	if (mode == OPEN_DIRECT)
		n->file->direct--;
	else
		n->file->cached--;
	pthread_cond_broadcast(&x->released);
	pthread_mutex_unlock(&x->lock);
	disk_put(x, n->disk);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct export *x = of(req);
	const bool writes = (fi->flags & O_ACCMODE) != O_RDONLY;
	struct fuse_open_out out = { 0 };
	struct iovec iov = { &out, sizeof(out) };
	struct error err;
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (is_folder(&n)) {
		fuse_reply_err(req, EISDIR);
	} else if (writes && (!n.file || n.disk != &x->live ||
	    !x->writable)) {
		fuse_reply_err(req, EROFS);
	} else if (n.item == ITEM_JSON) {
		open_json(req, fi);
	} else if (disk_get(x, n.disk, &err)) {
		fuse_reply_err(req, export_failed(x, &err));
	} else {
		/* libfuse 3.14 cannot say PARALLEL_DIRECT_WRITES. */
		out.fh = open_mode(x, &n, fi->flags, &out.open_flags);
		if (fuse_reply_iov(req, &iov, 1) == -ENOENT)
			close_file(x, &n, out.fh);	/* no longer wanted */
	}
}

static void do_release(fuse_req_t req, fuse_ino_t ino,
    struct fuse_file_info *fi)
{
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (n.file)
		close_file(of(req), &n, fi->fh);
	fuse_reply_err(req, 0);
}

/* disk.json alone: the data of disks does not come this way (loop.c). */
static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct export *x = of(req);
	AUTO_FREE char *copy = NULL;
	size_t len = 0;
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (n.item != ITEM_JSON) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	pthread_mutex_lock(&x->lock);
	if ((size_t)off < x->json_len) {
		len = min64(size, x->json_len - (size_t)off);
		copy = malloc(len);
		if (copy)
			memcpy(copy, x->json + off, len);
	}
	pthread_mutex_unlock(&x->lock);
	if (len && !copy)
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, copy, len);
}

/* close(2) and fsync(2) of what may have been written tell the errors that
 * were not known before. */
static void sync_file(fuse_req_t req, fuse_ino_t ino)
{
	struct export *x = of(req);
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (!n.file || n.disk != &x->live || !x->writable)
		fuse_reply_err(req, 0);
	else
		fuse_reply_err(req, -data_flush(x, &n));
}

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	sync_file(req, ino);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
    struct fuse_file_info *fi)
{
	sync_file(req, ino);
}

static void do_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
    off_t len, struct fuse_file_info *fi)
{
	struct export *x = of(req);
	struct node n;

	if (!find(req, ino, &n))
		return;
	if (!n.file || n.disk != &x->live || !x->writable)
		fuse_reply_err(req, EBADF);
	else
		fuse_reply_err(req, -data_allocate(x, &n, mode, (uint64_t)off,
		    (uint64_t)len));
}

static void do_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
    struct fuse_file_info *fi)
{
	struct export *x = of(req);
	uint64_t found;
	struct node n;
	int rc;

	if (!find(req, ino, &n))
		return;
	if (!n.file || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	rc = data_seek(x, &n, whence == SEEK_DATA, (uint64_t)off, &found);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_lseek(req, (off_t)found);
}

/* What we want of the kernel; the rest of what libfuse would ask for is for
 * file systems that know less, or more, than we do. */
static void do_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct export *x = userdata;

	conn->max_read = x->max_read;
	conn->want &= ~(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
	    FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC |
	    FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE |
	    FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_POSIX_LOCKS |
	    FUSE_CAP_FLOCK_LOCKS);
	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ |
	    FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS);
	conn->max_write = DATA_MAX;
	conn->max_readahead = DATA_MAX;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

const struct fuse_lowlevel_ops tree_ops = {
	.init = do_init,
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.statfs = do_statfs,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.open = do_open,
	.read = do_read,
	.flush = do_flush,
	.fsync = do_fsync,
	.release = do_release,
	.fallocate = do_fallocate,
	.lseek = do_lseek,
};
