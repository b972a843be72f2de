/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exercise.c - random operations on a file, against a copy in memory
 *
 *	exercise FILE SEED OPERATIONS [grow] [mmap]
 *
 * Reads, writes, punches, zeroes, allocates, seeks for holes, syncs, opens
 * anew, with the kernel's cache and with O_DIRECT in turn; "grow": truncates
 * and writes past the end, too; "mmap": also through a shared mapping.  What
 * is read must be what was written.  Exit code 0, or 1 after a line that says
 * which operation was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 4096, LEN_MAX = 128 << 10, SIZE_MAX_ = 8 << 20 };

static const char *path;
static int fd = -1;
static bool direct, grow, maps;
static unsigned char *model, *buf;
static uint64_t size, state;
static unsigned long at;	/* number of the operation */

static uint64_t pick(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (state >> 11) % below : 0;
}

static void wrong(const char *what, uint64_t off, uint64_t len)
{
	fprintf(stderr, "operation %lu: %s at %llu, %llu bytes%s: %s\n", at,
	    what, (unsigned long long)off, (unsigned long long)len,
	    direct ? " (O_DIRECT)" : "", errno ? strerror(errno) :
	    "not what was expected");
	exit(1);
}

static void reopen(void)
{
	if (fd >= 0 && close(fd))
		wrong("close", 0, 0);
	direct = pick(2);
	fd = open(path, O_RDWR | (direct ? O_DIRECT : 0));
	if (fd < 0)
		wrong("open", 0, 0);
}

/* A range below "end": small or large, for O_DIRECT in whole sectors. */
static void range(uint64_t end, uint64_t *off, uint64_t *len)
{
	*off = pick(end);
	*len = 1 + pick(pick(4) ? 16384 : LEN_MAX);
	if (direct) {
		*off &= -(uint64_t)SECTOR;
		*len = (*len + SECTOR - 1) & -(uint64_t)SECTOR;
	}
	if (*off + *len > end)
		*len = end - *off;
	if (direct)
		*len &= -(uint64_t)SECTOR;
}

static void do_read(void)
{
	uint64_t off, len, want;
	ssize_t n;

	range(SIZE_MAX_, &off, &len);
	want = off < size ? (len < size - off ? len : size - off) : 0;
	if (!len)
		return;
	n = pread(fd, buf, len, (off_t)off);
	if (n != (ssize_t)want)
		wrong("short read", off, len);
	if (memcmp(buf, model + off, want))
		wrong("read", off, len);
}

static void fresh_bytes(uint64_t len)
{
	const uint64_t v = pick(5) ? pick(1ull << 50) | 1 : 0;

	for (uint64_t i = 0; i < len; i++)
		buf[i] = v ? (unsigned char)(v >> (i % 6 * 8)) ^
		    (unsigned char)(i >> 8) : 0;
}

static void do_write(void)
{
	uint64_t off, len;

	range(grow && !pick(4) ? SIZE_MAX_ : size, &off, &len);
	if (!len)
		return;
	fresh_bytes(len);
	if (pwrite(fd, buf, len, (off_t)off) != (ssize_t)len)
		wrong("write", off, len);
	memcpy(model + off, buf, len);
	if (off + len > size)
		size = off + len;
}

static void do_space(int mode, const char *what)
{
	uint64_t off, len;

	range(size, &off, &len);
	if (!len)
		return;
	if (fallocate(fd, mode, (off_t)off, (off_t)len))
		wrong(what, off, len);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(model + off, 0, len);
}

static void do_truncate(void)
{
	const uint64_t to = pick(SIZE_MAX_);

	if (ftruncate(fd, (off_t)to))
		wrong("truncate", to, 0);
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

/* Holes may be reported as data, never data as a hole. */
static void do_seek(void)
{
	const uint64_t off = pick(size);
	const off_t data = lseek(fd, (off_t)off, SEEK_DATA);
	uint64_t end = data < 0 ? size : (uint64_t)data;

	if (!size)
		return;
	if (data < 0 && errno != ENXIO)
		wrong("SEEK_DATA", off, 0);
	errno = 0;
	for (uint64_t i = off; i < end; i++)
		if (model[i])
			wrong("data in a hole", i, 0);
	if (data >= 0 && lseek(fd, data, SEEK_HOLE) <= data)
		wrong("SEEK_HOLE", end, 0);
}

static void do_map(void)
{
	uint64_t off = pick(size) & -(uint64_t)SECTOR, len = 4 * SECTOR;
	unsigned char *p;

	if (direct || off + len > size)
		return;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    (off_t)off);
	if (p == MAP_FAILED)
		wrong("mmap", off, len);
	if (memcmp(p, model + off, len))
		wrong("mapped read", off, len);
	fresh_bytes(len);
	memcpy(p, buf, len);
	memcpy(model + off, buf, len);
	if (msync(p, len, MS_SYNC) || munmap(p, len))
		wrong("msync", off, len);
}

static void check_all(void)
{
	struct stat st;

	errno = 0;
	if (fstat(fd, &st) || (uint64_t)st.st_size != size)
		wrong("size", (uint64_t)st.st_size, size);
	for (uint64_t off = 0; off < size; off += LEN_MAX) {
		const uint64_t len = LEN_MAX < size - off ? LEN_MAX :
		    size - off;

		if (pread(fd, buf, LEN_MAX, (off_t)off) != (ssize_t)len ||
		    memcmp(buf, model + off, len))
			wrong("reading it all", off, len);
	}
}

static void step(void)
{
	errno = 0;
	switch (pick(grow ? 22 : 20)) {
	case 0: do_space(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
		break;
	case 1: do_space(FALLOC_FL_ZERO_RANGE, "zero"); break;
	case 2: do_space(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, "zero");
		break;
	case 3: do_space(pick(2) ? FALLOC_FL_KEEP_SIZE : 0, "allocate");
		break;
	case 4: do_seek(); break;
	case 5: if (!pick(4) && fsync(fd))
			wrong("fsync", 0, 0);
		break;
	case 6: if (!pick(8))
			reopen();
		break;
	case 7: if (maps)
			do_map();
		break;
	case 8: case 9: case 10: case 11: case 12: case 13:
		do_write();
		break;
	case 20: case 21:
		if (!pick(4))
			do_truncate();
		break;
	default:
		do_read();
	}
}

int main(int argc, char **argv)
{
	unsigned long n;
	struct stat st;

	if (argc < 4)
		return 2;
	path = argv[1];
	state = strtoull(argv[2], NULL, 0) * 2654435761u + 88172645463325252u;
	n = strtoul(argv[3], NULL, 0);
	for (int i = 4; i < argc; i++) {
		grow |= !strcmp(argv[i], "grow");
		maps |= !strcmp(argv[i], "mmap");
	}
	model = calloc(1, SIZE_MAX_ + LEN_MAX);
	if (!model || posix_memalign((void **)&buf, SECTOR, LEN_MAX + SECTOR))
		return 2;
	reopen();
	if (fstat(fd, &st) || st.st_size > SIZE_MAX_)
		return 2;
	size = (uint64_t)st.st_size;
	if (pread(fd, model, SIZE_MAX_, 0) != st.st_size)
		wrong("first read", 0, size);
	for (at = 1; at <= n; at++) {
		step();
		if (at % 5000 == 0) {
			reopen();
			check_all();
		}
	}
	if (fsync(fd) || close(fd))
		wrong("close", 0, 0);
	return 0;
}
