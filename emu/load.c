/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.c - kernels named on the command line
 *
 * Files are read once, at start: what the guest gets after a reset is what it
 * got first.  The plan is a struct of numbers, then pairs of commands for
 * fw_cfg's DMA that the option ROM carries out as they are ("fw_cfg DMA interface":
 * control, length and address, big endian).
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"

enum {
	DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08,
	/* No item has this number: it reads as zeros. */
	NO_KEY = 0xffff,
	ZEROS = 1 << 20,	/* in one command */
	PLAN_MAX = 1 << 20,
	PNP_CHECKSUM = 9,	/* in the header */
};

/* As fw/bootrom.S reads it. */
struct plan_start {
	le32 kind, entry, info, map, stack;
	le32 reserved[3];
};
_Static_assert(sizeof(struct plan_start) == 32, "the ROM reads 32 bytes");

struct plan_command {
	be32 control, len;
	be64 to;
};
_Static_assert(sizeof(struct plan_command) == 16, "a command is 16 bytes");

struct plan_piece {
	struct plan_command choose, read;
};

extern const uint8_t bootrom[], bootrom_end[];

/* --- Files ------------------------------------------------------------------------ */

static int
fill(struct load_file *f, int fd, uint64_t max, struct error *err)
{
	size_t size = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "'%s'", f->name);
	if (S_ISDIR(st.st_mode))
		return error_errno(err, EISDIR, "'%s'", f->name);
	for (;;) {
		ssize_t n;

		if (f->len == size) {
			size_t more = size ? size * 2 : S_ISREG(st.st_mode) ?
			    min64(st.st_size, max) + 1 : 1 * MIB;
			uint8_t *data = realloc(f->data, more);

			if (!data)
				return error_errno(err, ENOMEM, "'%s'",
				    f->name);
			f->data = data;
			size = more;
		}
		n = read(fd, f->data + f->len, size - f->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "'%s'", f->name);
		if (n == 0)
			return 0;
		f->len += n;
		if (f->len > max)
			return error_set(err, EFBIG, "'%s' does not fit into "
			    "the machine's memory", f->name);
	}
}

int
load_read(struct load_file *f, const char *name, uint64_t max,
    struct error *err)
{
	AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);

	*f = (struct load_file){ .name = name };
	if (fd < 0)
		return error_errno(err, errno, "'%s'", name);
	if (fill(f, fd, max, err) < 0) {
		free(f->data);
		f->data = NULL;
		return -err->code;
	}
	return 0;
}

/* --- The plan --------------------------------------------------------------------- */

static void *
append(struct load *l, size_t len, struct error *err)
{
	uint8_t *at;

	if (l->plan_len + len > l->plan_size) {
		size_t size = l->plan_size ? l->plan_size * 2 : 4096;

		at = size <= PLAN_MAX ? realloc(l->plan, size) : NULL;
		if (!at) {
			error_errno(err, ENOMEM, "'%s'", l->kernel.name);
			return NULL;
		}
		l->plan = at;
		l->plan_size = size;
	}
	at = l->plan + l->plan_len;
	l->plan_len += len;
	return memset(at, 0, len);
}

static int
command(struct load *l, uint16_t key, uint32_t skip, uint32_t len,
    uint64_t to, struct error *err)
{
	struct plan_piece *p = append(l, sizeof(*p), err);

	if (!p)
		return -err->code;
	be32_put(&p->choose.control, (uint32_t)key << 16 | DMA_SELECT |
	    DMA_SKIP);
	be32_put(&p->choose.len, skip);
	be32_put(&p->read.control, DMA_READ);
	be32_put(&p->read.len, len);
	be64_put(&p->read.to, to);
	return 0;
}

int
load_begin(struct load *l, const struct load_start *s, struct error *err)
{
	struct plan_start *p = append(l, sizeof(*p), err);

	if (!p)
		return -err->code;
	le32_put(&p->kind, s->kind);
	le32_put(&p->entry, s->entry);
	le32_put(&p->info, s->info);
	le32_put(&p->map, s->map);
	le32_put(&p->stack, s->stack);
	return 0;
}

void
load_entry(struct load *l, uint32_t entry)
{
	le32_put(&((struct plan_start *)l->plan)->entry, entry);
}

int
load_piece(struct load *l, uint16_t key, uint64_t off, uint64_t len,
    uint64_t to, struct error *err)
{
	return len ? command(l, key, off, len, to, err) : 0;
}

int
load_zeros(struct load *l, uint64_t to, uint64_t len, struct error *err)
{
	while (len) {
		uint64_t n = min64(len, ZEROS);

		if (command(l, NO_KEY, 0, n, to, err) < 0)
			return -err->code;
		to += n;
		len -= n;
	}
	return 0;
}

/* --- The ROM ------------------------------------------------------------------------ */

static uint8_t
complement(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum -= *p++;
	return sum;
}

/* The bytes of the header, and of all of it, add up to zero. */
static int
add_rom(struct fw_cfg *fw, struct error *err)
{
	size_t len = bootrom_end - bootrom;
	AUTO_FREE uint8_t *rom = malloc(len);
	uint8_t *pnp;

	if (!rom)
		return error_errno(err, ENOMEM, "-kernel");
	memcpy(rom, bootrom, len);
	pnp = rom + (rom[0x1a] | rom[0x1b] << 8);
	pnp[PNP_CHECKSUM] = complement(pnp, 32);
	rom[len - 1] = complement(rom, len);
	return fw_cfg_add_file(fw, LOAD_ROM, rom, len, err);
}

/* --- All of it ---------------------------------------------------------------------- */

static int
load(struct load *l, struct error *err)
{
	uint64_t ram = mem_ram_low(l->mem);

	if (ram < 4 * MIB)
		return error_set(err, EINVAL, "a kernel needs a machine of at "
		    "least 4 MiB");
	l->end = ram - LOAD_RESERVED;
	if (load_read(&l->kernel, l->config.kernel, l->end, err) < 0)
		return -err->code;
	if (linux_is(&l->kernel)) {
		if (linux_load(l, err) < 0)
			return error_prefix(err, "'%s'", l->kernel.name);
	} else if (multiboot_is(&l->kernel)) {
		if (multiboot_load(l, err) < 0)
			return error_prefix(err, "'%s'", l->kernel.name);
	} else {
		return error_set(err, EINVAL, "'%s' is neither a Linux kernel "
		    "(bzImage) nor a multiboot kernel", l->kernel.name);
	}
	/* A piece of zeros ends it. */
	if (!append(l, sizeof(struct plan_piece), err) ||
	    fw_cfg_lend(l->fw, LOAD_PLAN, l->plan, l->plan_len, err) < 0)
		return -err->code;
	return add_rom(l->fw, err);
}

struct load *
load_new(const struct load_config *c, struct mem *mem, struct fw_cfg *fw,
    struct error *err)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l) {
		error_errno(err, ENOMEM, "-kernel");
		return NULL;
	}
	l->config = *c;
	l->mem = mem;
	l->fw = fw;
	if (load(l, err) < 0) {
		error_prefix(err, "-kernel");
		load_free(l);
		return NULL;
	}
	return l;
}

void
load_free(struct load *l)
{
	if (!l)
		return;
	free(l->kernel.data);
	for (unsigned i = 0; i < l->n_more; i++)
		free(l->more[i].data);
	free(l->setup);
	free(l->command);
	free(l->plan);
	free(l);
}
