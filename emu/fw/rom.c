/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rom.c - firmware files of the distribution: where they are, into memory */
#include "fw/rom.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"

/* Debian and Fedora; Arch and openSUSE; built by hand. */
static const char *const places[] = {
	"/usr/share/seabios",
	"/usr/share/qemu",
	"/usr/share/qemu-firmware",
	"/usr/local/share/seabios",
	"/usr/local/share/qemu",
};

/* -1 and errno.  Folders are not files. */
static int
try(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, n;

	n = snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static int
find(const char *name, const char *dir, struct error *err)
{
	const char *own = getenv("COWBIRD_FIRMWARE");
	int fd = -1;

	if (strchr(name, '/')) {
		fd = try("", name);
		if (fd < 0)
			return error_errno(err, errno, "firmware '%s'", name);
		return fd;
	}
	if (dir)
		fd = try(dir, name);
	if (fd < 0 && own)
		fd = try(own, name);
	for (unsigned i = 0; fd < 0 && i < ARRAY_LEN(places); i++)
		fd = try(places[i], name);
	if (fd < 0)
		return error_set(err, ENOENT, "firmware '%s' is not there: "
		    "install the package seabios, or name its folder with -L "
		    "or COWBIRD_FIRMWARE", name);
	return fd;
}

int
rom_load(struct rom *rom, const char *name, const char *dir,
    struct error *err)
{
	AUTO_CLOSE int fd = find(name, dir, err);
	struct stat st;

	*rom = (struct rom){ 0 };
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "firmware '%s'", name);
	if (st.st_size == 0 || st.st_size > ROM_MAX)
		return error_set(err, EINVAL, "firmware '%s' has %lld bytes, "
		    "1 to %d can be", name, (long long)st.st_size, ROM_MAX);
	rom->len = st.st_size;
	rom->mapped = align_up(rom->len, 4096);
	rom->data = mmap(NULL, rom->mapped, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom->data == MAP_FAILED) {
		rom->data = NULL;
		return error_errno(err, errno, "firmware '%s'", name);
	}
	for (size_t n = 0; n < rom->len; ) {
		ssize_t part = pread(fd, rom->data + n, rom->len - n, n);

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0) {
			error_errno(err, part < 0 ? errno : EIO,
			    "firmware '%s'", name);
			rom_unload(rom);
			return -err->code;
		}
		n += part;
	}
	return 0;
}

void
rom_unload(struct rom *rom)
{
	if (rom->data)
		munmap(rom->data, rom->mapped);
	*rom = (struct rom){ 0 };
}
