/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.h - kernels named on the command line: -kernel, -initrd, -append
 *
 * A kernel is read and checked at start; an option ROM of ours (fw/bootrom.S)
 * puts it into memory and starts it once the firmware is done, after a reset
 * too.  What goes where is a plan, made by the loader of the kernel's kind.
 */
#ifndef LOAD_H
#define LOAD_H

#include "core/mem.h"
#include "fw/fw_cfg.h"

struct load;

struct load_config {
	const char *kernel;	/* NULL: there is none */
	const char *initrd;	/* or multiboot's modules; NULL: none */
	const char *append;	/* NULL: nothing */
};

/* Its pieces are lent to fw_cfg, which must be freed before. */
struct load *load_new(const struct load_config *, struct mem *,
    struct fw_cfg *, struct error *err);
void load_free(struct load *);		/* NULL is allowed */

/* What the firmware knows the ROM by, in its order of things to boot. */
#define LOAD_ROM "genroms/cowbird-kernel.rom"

/* ---- for load_linux.c and load_multiboot.c */

enum { LOAD_PLAN = 0x8040, LOAD_ITEMS = LOAD_PLAN + 1, LOAD_ITEMS_MAX = 30 };
enum load_kind { LOAD_LINUX = 1, LOAD_MULTIBOOT = 2 };
/* Firmware keeps its tables at the end of RAM below 4 GiB. */
enum { LOAD_RESERVED = 1 << 20 };

struct load_file {
	const char *name;
	uint8_t *data;
	size_t len;
};

struct load {
	struct load_config config;
	struct mem *mem;
	struct fw_cfg *fw;
	struct load_file kernel, more[LOAD_ITEMS_MAX];
	unsigned n_more;
	uint8_t *setup;		/* what a loader made */
	char *command;		/* the command line, for lending */
	uint8_t *plan;
	size_t plan_len, plan_size;
	uint64_t end;		/* RAM that may be loaded to, above 1 MiB */
};

/* At most max bytes, else an error. */
int load_read(struct load_file *, const char *name, uint64_t max,
    struct error *err);

/* The plan: a beginning, then pieces.  Addresses were checked. */
struct load_start {
	enum load_kind kind;
	uint32_t entry, info, map, stack;
};
int load_begin(struct load *, const struct load_start *, struct error *err);
/* Known only once the pieces are. */
void load_entry(struct load *, uint32_t entry);
int load_piece(struct load *, uint16_t key, uint64_t off, uint64_t len,
    uint64_t to, struct error *err);
int load_zeros(struct load *, uint64_t to, uint64_t len, struct error *err);

/* False: it is no kernel of this kind. */
bool linux_is(const struct load_file *);
int linux_load(struct load *, struct error *err);
bool multiboot_is(const struct load_file *);
int multiboot_load(struct load *, struct error *err);

#endif
