/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file_open.c - opening and creating files and devices
 *
 * What is there is first opened with O_PATH, which has no effect on it,
 * looked at, and only then opened through /proc/self/fd: no FIFO makes us
 * wait, no device notices us, and no name is resolved twice.  A file is
 * emptied only once its lock is held.
 */
#include "store/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "store/direct.h"

static int open_failed(const char *path, int code, struct error *err)
{
	return error_errno(err, code, "Could not open '%s'", path);
}

/* The file that fd is, opened anew with other flags. */
static int open_again(int fd, const char *path, int flags)
{
	char proc[32];
	struct stat a, b;
	int new;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	new = open(proc, flags | O_CLOEXEC);
	if (new >= 0 || errno != ENOENT)
		return new < 0 ? -errno : new;
	/* No /proc here: by name, if it is still the same. */
	new = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (new < 0)
		return -errno;
	if (fstat(fd, &a) == 0 && fstat(new, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return new;
	close(new);
	return -ESTALE;
}

/* By H3: a name found inside an image. */
static int refuse(const char *path, const char *why, struct error *err)
{
	return error_set(err, EREFUSED, "refused to follow '%s': %s (allow "
	    "with --allow-external)", path, why);
}

/* Only what can be an image; "special" says what H3 allows.  st is of the
 * descriptor. */
static int check_kind(int fd, const char *path, const struct stat *st,
    const struct file_args *args, struct error *err)
{
	mode_t type = st->st_mode & S_IFMT;
	struct statfs fs;

	if (type == S_IFDIR)
		return error_set(err, EISDIR, args->create ?
		    "Could not create '%s': Is a directory" :
		    "'file' driver requires '%s' to be a regular file", path);
	if (args->no_special && type != S_IFREG &&
	    !(type == S_IFBLK && args->allow_block))
		return refuse(path, "it is not a regular file", err);
	if (args->no_special && type == S_IFREG && fstatfs(fd, &fs) == 0 &&
	    (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
		return refuse(path, "it is not a file on a disk", err);
	if (type == S_IFIFO || type == S_IFSOCK)
		return error_set(err, EINVAL, "'%s' is a %s, not a regular "
		    "file or block device", path,
		    type == S_IFIFO ? "FIFO" : "socket");
	/* /dev/null and /dev/zero are empty images; what else can be opened
	 * there only knows the device. */
	if (type == S_IFCHR && st->st_rdev != makedev(1, 3) &&
	    st->st_rdev != makedev(1, 5))
		return error_set(err, EINVAL, "'%s' is a character device, "
		    "not a regular file or block device", path);
	return 0;
}

static int open_existing(const char *path, const struct file_args *args,
    struct error *err)
{
	AUTO_CLOSE int look = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	int fd, ret;

	if (look < 0)
		return open_failed(path, errno, err);
	if (fstat(look, &st) < 0)
		return open_failed(path, errno, err);
	ret = check_kind(look, path, &st, args, err);
	if (ret < 0)
		return ret;
	fd = open_again(look, path, args->writable ? O_RDWR : O_RDONLY);
	return fd < 0 ? open_failed(path, -fd, err) : fd;
}

/* The folder a name is in; -1: cannot be read. */
static int open_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = !slash ? strdup(".") :
	    strndup(path, slash == path ? 1 : (size_t)(slash - path));

	return dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* Makes the file, unless it is there. */
static int open_new(const char *path, struct file *f, struct error *err)
{
	const char *slash = strrchr(path, '/');
	int parent = open_parent(path), flags = O_RDWR | O_CREAT | O_CLOEXEC;
	int fd, code;

	fd = parent >= 0 ?
	    openat(parent, slash ? slash + 1 : path, flags | O_EXCL, 0644) :
	    open(path, flags | O_EXCL, 0644);
	code = errno;
	if (fd >= 0) {
		f->parent = parent;
		f->created = true;
		atomic_store(&f->parent_dirty, true);
		return fd;
	}
	if (parent >= 0)
		close(parent);
	return error_errno(err, code, "Could not create '%s'", path);
}

static int open_or_create(const char *path, const struct file_args *args,
    struct file *f, struct error *err)
{
	struct error old;
	int fd;

	if (!args->create)
		return open_existing(path, args, err);
	fd = open_new(path, f, err);
	if (fd != -EEXIST || args->exclusive)
		return fd;
	fd = open_existing(path, args, &old);
	if (fd == -ENOENT) {
		/* A link to a file that is not there yet. */
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK |
		    O_NOCTTY, 0644);
		if (fd < 0)
			return error_errno(err, errno, "Could not create '%s'",
			    path);
		atomic_store(&f->parent_dirty, true);
		return fd;
	}
	if (fd < 0)
		*err = old;
	return fd;
}

static void permissions(const struct file_args *args, unsigned *held,
    unsigned *refused)
{
	*held = PERM_READ;
	*refused = args->share ? 0 : PERM_WRITE | PERM_RESIZE;
	if (args->writable)
		*held |= PERM_WRITE | PERM_RESIZE;
}

static int set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = (flags & ~(O_DIRECT | O_NONBLOCK)) | (on ? O_DIRECT : 0);
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

static int start_direct(struct store *s, enum file_aio aio,
    struct error *err)
{
	struct file *f = s->state;
	int ret = set_direct(s->fd, true);

	if (ret == -EINVAL)
		return error_set(err, EINVAL, "Could not open '%s': "
		    "filesystem does not support O_DIRECT", s->name);
	if (ret < 0)
		return open_failed(s->name, -ret, err);
	s->batches = aio != AIO_THREADS;
	f->direct = direct_new(s->fd, s->batches);
	if (!f->direct)
		return open_failed(s->name, ENOMEM, err);
	s->align = direct_align(f->direct);
	if (!s->writable)
		return 0;
	f->buffered = open_again(s->fd, s->name, O_RDWR);
	return f->buffered < 0 ? open_failed(s->name, -f->buffered, err) : 0;
}

static int learn_size(struct store *s, const struct stat *st,
    struct error *err)
{
	struct file *f = s->state;
	uint64_t size = 0;
	int sector = 512;

	if (f->regular)
		size = (uint64_t)st->st_size;
	else if (f->block && ioctl(s->fd, BLKGETSIZE64, &size) < 0)
		return open_failed(s->name, errno, err);
	if (f->block && ioctl(s->fd, BLKSSZGET, &sector) == 0 &&
	    sector > 0 && is_pow2((uint64_t)sector))
		f->sector = (uint32_t)sector;
	if (size > SIZE_LIMIT)
		return open_failed(s->name, EFBIG, err);
	atomic_store(&s->size, size);
	return 0;
}

int file_lock_late(struct store *s, struct error *err)
{
	struct file *f = s->state;
	int ret;

	if ((s->ops != &file_ops && s->ops != &file_device_ops) ||
	    f->locked || !(f->regular || f->block))
		return 0;
	ret = file_lock(s->fd, s->name, f->held, f->refused, err);
	f->locked = ret == 0;
	return ret;
}

/* The descriptor is open: look at it, lock it, empty it. */
static int start(struct store *s, const struct file_args *args,
    struct error *err)
{
	struct file *f = s->state;
	struct stat st;
	int ret, flags;

	if (fstat(s->fd, &st) < 0)
		return open_failed(s->name, errno, err);
	ret = check_kind(s->fd, s->name, &st, args, err);
	if (ret < 0)
		return ret;
	f->regular = S_ISREG(st.st_mode);
	f->block = S_ISBLK(st.st_mode);
	f->fixed = !f->regular;
	f->sector = 512;
	if (!f->regular)
		s->ops = &file_device_ops;
	permissions(args, &f->held, &f->refused);
	if (!args->no_lock && !args->late_lock) {
		ret = file_lock_late(s, err);
		if (ret < 0)
			return ret;
		/* What a former holder did to it. */
		if (fstat(s->fd, &st) < 0)
			return open_failed(s->name, errno, err);
	}
	if (args->create && f->regular && st.st_size) {
		ret = file_truncate(s->fd, 0);
		if (ret < 0)
			return error_errno(err, -ret, "Could not create '%s'",
			    s->name);
		st.st_size = 0;
		atomic_store(&s->dirty, true);
	}
	if (args->create && args->no_cow && f->regular &&
	    ioctl(s->fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		ioctl(s->fd, FS_IOC_SETFLAGS, &flags);
	}
	ret = learn_size(s, &st, err);
	if (ret == 0)
		ret = args->direct ? start_direct(s, args->aio, err) :
		    set_direct(s->fd, false);
	return ret;
}

/* A file that we made and then could not use, if the name is still its. */
static void unmake(struct store *s)
{
	struct stat a, b;

	if (fstat(s->fd, &a) == 0 && lstat(s->name, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		unlink(s->name);
}

struct store *file_open(const char *path, const struct file_args *given,
    struct error *err)
{
	struct file_args args = *given;
	struct store *s = store_new(&file_ops, path);
	struct file *f = s ? calloc(1, sizeof(*f)) : NULL;
	struct error ignored;

	if (!f) {
		open_failed(path, ENOMEM, err);
		goto fail;
	}
	s->state = f;
	f->buffered = f->parent = -1;
	if (args.create)
		args.writable = true;
	if (args.writable && args.share && !args.no_lock) {
		error_set(err, EINVAL,
		    "force-share=on can only be used with read-only images");
		goto fail;
	}
	s->writable = args.writable;
	s->no_sync = args.no_sync;
	s->fd = open_or_create(path, &args, f, err);
	if (s->fd < 0) {
		s->fd = -1;
		goto fail;
	}
	if (start(s, &args, err) < 0) {
		if (f->created)
			unmake(s);
		goto fail;
	}
	if (atomic_load(&f->parent_dirty))
		atomic_store(&s->dirty, true);
	return s;
fail:
	store_close(s, &ignored);
	return NULL;
}

bool file_is_still(const struct store *s)
{
	const struct file *f = s->state;

	return (s->ops == &file_ops || s->ops == &file_device_ops) &&
	    !s->writable && f->locked && f->refused & PERM_WRITE;
}

bool file_created(const struct store *s)
{
	const struct file *f = s->state;

	return f->created;
}
