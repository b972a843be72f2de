/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's disk, without its page cache.  The runner fills the first 64 MiB
 * with noise that is always the same.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "work.h"

extern const char *work_disk;

enum { SPAN = 64 << 20, LARGE = 1 << 20 };

static int disk_open(char **buffer)
{
	int fd = open(work_disk, O_RDWR | O_DIRECT);

	if (fd < 0)
		work_fail(work_disk);
	if (posix_memalign((void **)buffer, 4096, LARGE))
		work_fail("posix_memalign");
	return fd;
}

static uint64_t disk_close(int fd, char *buffer, uint64_t sum)
{
	if (close(fd))
		work_fail(work_disk);
	free(buffer);
	return sum;
}

static uint64_t read_some(unsigned n, size_t len, int scattered)
{
	uint32_t seed = 21;
	uint64_t sum = 0, word;
	unsigned i;
	char *buffer;
	int fd = disk_open(&buffer);
	off_t off;

	for (i = 0; i < n; i++) {
		off = scattered ? work_random(&seed) : i;
		off = off % (SPAN / len) * len;
		if (pread(fd, buffer, len, off) != (ssize_t)len)
			work_fail("read");
		memcpy(&word, buffer + len / 2, sizeof(word));
		sum = sum * 31 + word;
	}
	return disk_close(fd, buffer, sum);
}

/* Behind what is read. */
static uint64_t write_some(unsigned n, size_t len, int scattered)
{
	uint32_t seed = 22;
	unsigned i;
	char *buffer;
	int fd = disk_open(&buffer);
	off_t off;

	for (i = 0; i < n; i++) {
		memset(buffer, i + 1, len);
		off = scattered ? work_random(&seed) : i;
		off = SPAN + off % (SPAN / len) * len;
		if (pwrite(fd, buffer, len, off) != (ssize_t)len)
			work_fail("write");
	}
	if (fsync(fd))
		work_fail("fsync");
	return disk_close(fd, buffer, n);
}

static uint64_t random_read(unsigned n)
{
	return read_some(n, 4096, 1);
}

static uint64_t sequential_read(unsigned n)
{
	return read_some(n, LARGE, 0);
}

static uint64_t random_write(unsigned n)
{
	return write_some(n, 4096, 1);
}

static uint64_t sequential_write(unsigned n)
{
	return write_some(n, LARGE, 0);
}

const struct work disk_work[] = {
	{ "read-4k", "disk", random_read, 5000 },
	{ "read-1m", "disk", sequential_read, 512 },
	{ "write-4k", "disk", random_write, 5000 },
	{ "write-1m", "disk", sequential_write, 256 },
	{ NULL },
};
