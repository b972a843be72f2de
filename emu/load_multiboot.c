/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_multiboot.c - multiboot 1 kernels, ELF or by addresses in their header
 *
 * Multiboot Specification 0.6.96: 3.1 the header, 3.3 the information.  The
 * information, the list of modules and all texts are made here, one block in
 * memory below 1 MiB; the memory map is added by the ROM, which can ask the
 * firmware.  Everything in the file is checked before it means anything: what
 * it loads lies in RAM that nobody else needs.
 *
 *	10000h	the block
 *	1f000h	the memory map
 *	20000h	kernels may have pieces from here to 80000h,
 *	100000h	and from here on; then the modules, on pages
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define LOADER "cowbird " COWBIRD_VERSION

enum {
	SEARCH = 8192,		/* the header is within */
	MAGIC = 0x1badb002,
	/* Of the header's flags. */
	ON_PAGES = 1, WANTS_MEMORY = 2, WANTS_VIDEO = 4, HAS_ADDRESSES = 1 << 16,
	REQUIRED = 0xffff,

	/* Of the information's. */
	I_MEMORY = 1 << 0, I_COMMAND = 1 << 2, I_MODULES = 1 << 3,
	I_MAP = 1 << 6, I_LOADER = 1 << 9, I_SCREEN = 1 << 12,
	SCREEN_TEXT = 2,

	INFO_AT = 0x10000,
	INFO_MAX = 0xf000,
	MAP_AT = 0x1f000,
	LOW_FROM = 0x20000, LOW_END = 0x80000,
	HIGH_FROM = 0x100000,

	ELF_386 = 3, ELF_X86_64 = 62, ELF_EXEC = 2, ELF_LOAD = 1,
	SEGMENTS = 64,

	KEY_KERNEL = LOAD_ITEMS, KEY_INFO = LOAD_ITEMS + 1,
	KEY_MODULES = LOAD_ITEMS + 2,
	MODULES = LOAD_ITEMS_MAX - 2,
};

struct header {
	le32 magic, flags, checksum;
	le32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};
_Static_assert(sizeof(struct header) == 32, "3.1.1, without the video mode");

struct info {
	le32 flags, mem_lower, mem_upper, boot_device, command;
	le32 modules, modules_at, symbols[4];
	le32 map_len, map_at, drives[2], config;
	le32 loader, apm, vbe[4];
	le64 screen_at;
	le32 screen_pitch, screen_width, screen_height;
	uint8_t screen_bits, screen_kind, colours[6];
};
_Static_assert(sizeof(struct info) == 116, "3.3");

struct module {
	le32 at, end, text, reserved;
};

struct elf32 {
	uint8_t ident[16];
	le16 type, machine;
	le32 version, entry, phoff, shoff, flags;
	le16 size, phsize, phnum;
};

struct elf64 {
	uint8_t ident[16];
	le16 type, machine;
	le32 version;
	le64 entry, phoff, shoff;
	le32 flags;
	le16 size, phsize, phnum;
};

struct segment32 {
	le32 type, off, vaddr, paddr, filesz, memsz, flags, align;
};

struct segment64 {
	le32 type, flags;
	le64 off, vaddr, paddr, filesz, memsz, align;
};

struct segment {
	uint64_t off, vaddr, paddr, filesz, memsz;
};

/* --- The header ---------------------------------------------------------------- */

static bool
find(const struct load_file *f, uint64_t *off, struct header *h)
{
	for (*off = 0; *off + 12 <= min64(f->len, SEARCH); *off += 4) {
		memset(h, 0, sizeof(*h));
		memcpy(h, f->data + *off, min64(sizeof(*h), f->len - *off));
		if (le32_get(h->magic) == MAGIC && MAGIC +
		    le32_get(h->flags) + le32_get(h->checksum) == 0)
			return true;
	}
	return false;
}

bool
multiboot_is(const struct load_file *f)
{
	struct header h;
	uint64_t off;

	return find(f, &off, &h);
}

/* --- The kernel ----------------------------------------------------------------- */

/* *end: after what is loaded above 1 MiB so far. */
static int
load_segment(struct load *l, const struct segment *s, uint64_t *end,
    struct error *err)
{
	uint64_t last;

	if (!range_ok(s->off, s->filesz, l->kernel.len))
		return error_set(err, EINVAL, "it is truncated: a segment of "
		    "%#llx bytes begins at %#llx of %zu",
		    (unsigned long long)s->filesz,
		    (unsigned long long)s->off, l->kernel.len);
	if (s->filesz > s->memsz || !add_ok(s->paddr, s->memsz, &last))
		return error_set(err, EINVAL, "the segment at %#llx has a bad "
		    "size", (unsigned long long)s->paddr);
	if (!(s->paddr >= HIGH_FROM && last <= l->end) &&
	    !(s->paddr >= LOW_FROM && last <= LOW_END))
		return error_set(err, EINVAL, "a segment is to be loaded at "
		    "%#llx to %#llx, where this machine has no free memory",
		    (unsigned long long)s->paddr, (unsigned long long)last);
	if (s->paddr >= HIGH_FROM)
		*end = max64(*end, last);
	if (load_piece(l, KEY_KERNEL, s->off, s->filesz, s->paddr, err) < 0)
		return -err->code;
	return load_zeros(l, s->paddr + s->filesz, s->memsz - s->filesz, err);
}

static struct segment
addressed(const struct header *h, uint64_t off, uint64_t len)
{
	uint64_t load = le32_get(h->load_addr), end = le32_get(h->load_end_addr),
	    bss = le32_get(h->bss_end_addr);
	struct segment s = { .paddr = load };

	s.off = off - (le32_get(h->header_addr) - load);
	s.filesz = end ? end - load : len - s.off;
	s.memsz = bss ? bss - load : s.filesz;
	return s;
}

static int
load_addressed(struct load *l, const struct header *h, uint64_t off,
    uint64_t *end, struct error *err)
{
	uint64_t load = le32_get(h->load_addr), at = le32_get(h->header_addr);
	uint64_t load_end = le32_get(h->load_end_addr),
	    bss_end = le32_get(h->bss_end_addr);
	struct segment s;

	if (l->kernel.len - off < sizeof(*h))
		return error_set(err, EINVAL, "its header is truncated");
	if (at < load || at - load > off || (load_end && load_end < load) ||
	    (bss_end && bss_end < max64(load, load_end)))
		return error_set(err, EINVAL, "the addresses in its header "
		    "contradict each other");
	s = addressed(h, off, l->kernel.len);
	return load_segment(l, &s, end, err);
}

/* How an ELF file of either class says it. */
struct elf {
	bool wide;
	uint64_t entry, phoff;
	unsigned type, machine, phsize, phnum;
};

static bool
read_elf(const struct load_file *f, struct elf *e)
{
	const struct elf32 *a = (const void *)f->data;
	const struct elf64 *b = (const void *)f->data;

	if (f->len < sizeof(*b) || memcmp(f->data, "\177ELF", 4) ||
	    f->data[5] != 1)
		return false;
	*e = (struct elf){ .wide = f->data[4] == 2,
		.type = le16_get(a->type), .machine = le16_get(a->machine) };
	if (e->wide) {
		e->entry = le64_get(b->entry);
		e->phoff = le64_get(b->phoff);
		e->phsize = le16_get(b->phsize);
		e->phnum = le16_get(b->phnum);
	} else {
		e->entry = le32_get(a->entry);
		e->phoff = le32_get(a->phoff);
		e->phsize = le16_get(a->phsize);
		e->phnum = le16_get(a->phnum);
	}
	return true;
}

/* False: nothing to load. */
static bool
read_segment(const uint8_t *p, bool wide, struct segment *s)
{
	const struct segment32 *a = (const void *)p;
	const struct segment64 *b = (const void *)p;

	if (wide)
		*s = (struct segment){ le64_get(b->off), le64_get(b->vaddr),
			le64_get(b->paddr), le64_get(b->filesz),
			le64_get(b->memsz) };
	else
		*s = (struct segment){ le32_get(a->off), le32_get(a->vaddr),
			le32_get(a->paddr), le32_get(a->filesz),
			le32_get(a->memsz) };
	return le32_get(a->type) == ELF_LOAD && s->memsz;
}

static int
load_elf(struct load *l, uint64_t *entry, uint64_t *end, struct error *err)
{
	const struct load_file *f = &l->kernel;
	unsigned want, loaded = 0;
	struct segment s;
	struct elf e;

	if (!read_elf(f, &e))
		return error_set(err, EINVAL, "it is no ELF file, and its "
		    "multiboot header has no addresses");
	want = e.wide ? sizeof(struct segment64) : sizeof(struct segment32);
	if (e.type != ELF_EXEC || (e.machine != ELF_386 &&
	    e.machine != ELF_X86_64))
		return error_set(err, ENOTSUP, "an ELF file of type %u for "
		    "machine %u is not supported", e.type, e.machine);
	if (e.phsize != want || !e.phnum || e.phnum > SEGMENTS ||
	    !range_ok(e.phoff, (uint64_t)e.phnum * want, f->len))
		return error_set(err, EINVAL, "its %u program headers of %u "
		    "bytes at %#llx are not in the file or too many", e.phnum,
		    e.phsize, (unsigned long long)e.phoff);
	*entry = e.entry;
	for (unsigned i = 0; i < e.phnum; i++) {
		if (!read_segment(f->data + e.phoff + (uint64_t)i * want,
		    e.wide, &s))
			continue;
		if (load_segment(l, &s, end, err) < 0)
			return -err->code;
		/* An entry by its virtual address: paging is off. */
		if (e.entry >= s.vaddr && e.entry - s.vaddr < s.memsz)
			*entry = e.entry - s.vaddr + s.paddr;
		loaded++;
	}
	if (!loaded)
		return error_set(err, EINVAL, "it has nothing to be loaded");
	return 0;
}

/* --- The information ------------------------------------------------------------- */

struct block {
	uint8_t *data;
	uint64_t used;
};

/* A text's address; 0: there is no room. */
static uint32_t
add_text(struct block *b, const char *text, size_t len)
{
	uint64_t at = b->used;

	if (len + 1 > INFO_MAX - at)
		return 0;
	memcpy(b->data + at, text, len);
	b->data[at + len] = '\0';
	b->used += len + 1;
	return INFO_AT + at;
}

/* One of "FILE WORDS,FILE WORDS"; ",," stands for a comma. */
static const char *
next_module(const char *p, char *text)
{
	for (; *p; p++) {
		if (*p == ',' && *++p != ',')
			break;
		*text++ = *p;
	}
	*text = '\0';
	return p;
}

static int
load_module(struct load *l, struct block *b, const char *text, uint64_t *end,
    struct error *err)
{
	struct info *info = (void *)b->data;
	unsigned n = l->n_more;
	struct module *m = (struct module *)(b->data + sizeof(*info)) + n;
	size_t len = strcspn(text, " ");
	struct load_file *f = &l->more[n];
	uint32_t at = add_text(b, text, strlen(text)), name;

	/* The file's name alone, for messages; it stays in the block. */
	name = add_text(b, text, len);
	if (!at || !name)
		return error_set(err, E2BIG, "-initrd: too much text");
	*end = align_up(*end, 4096);
	if (*end > l->end)
		return error_set(err, ENOMEM, "-initrd: no memory is left");
	if (load_read(f, (char *)b->data + name - INFO_AT, l->end - *end,
	    err) < 0)
		return error_prefix(err, "-initrd");
	l->n_more++;
	le32_put(&m->at, *end);
	le32_put(&m->end, *end + f->len);
	le32_put(&m->text, at);
	le32_put(&info->modules, l->n_more);
	if (fw_cfg_lend(l->fw, KEY_MODULES + n, f->data, f->len, err) < 0 ||
	    load_piece(l, KEY_MODULES + n, 0, f->len, *end, err) < 0)
		return -err->code;
	*end += f->len;
	return 0;
}

static int
load_modules(struct load *l, struct block *b, uint64_t *end,
    struct error *err)
{
	const char *p = l->config.initrd;
	char text[4096];

	if (!p || !*p)
		return 0;
	if (strlen(p) >= sizeof(text))
		return error_set(err, E2BIG, "-initrd: too much text");
	while (*p) {
		if (l->n_more == MODULES)
			return error_set(err, E2BIG, "-initrd: more than %d "
			    "modules", MODULES);
		p = next_module(p, text);
		if (load_module(l, b, text, end, err) < 0)
			return -err->code;
	}
	return 0;
}

static int
add_command(struct load *l, struct block *b, struct error *err)
{
	struct info *info = (void *)b->data;
	const char *text = l->config.append ? l->config.append : "";
	size_t size = strlen(l->kernel.name) + strlen(text) + 2;
	uint32_t at;

	l->command = malloc(size);
	if (!l->command)
		return error_errno(err, ENOMEM, "its command line");
	snprintf(l->command, size, "%s%s%s", l->kernel.name, *text ? " " : "",
	    text);
	at = add_text(b, l->command, strlen(l->command));
	if (!at)
		return error_set(err, E2BIG, "its command line is too long");
	le32_put(&info->command, at);
	return 0;
}

/* Text mode is what the firmware leaves. */
static void
tell_screen(struct info *info)
{
	le64_put(&info->screen_at, 0xb8000);
	le32_put(&info->screen_pitch, 160);
	le32_put(&info->screen_width, 80);
	le32_put(&info->screen_height, 25);
	info->screen_bits = 16;
	info->screen_kind = SCREEN_TEXT;
}

static int
load_info(struct load *l, const struct header *h, uint64_t *end,
    struct error *err)
{
	struct block b = { .data = calloc(1, INFO_MAX), .used =
	    sizeof(struct info) + MODULES * sizeof(struct module) };
	struct info *info = (void *)b.data;
	uint32_t flags = I_MEMORY | I_COMMAND | I_MODULES | I_MAP | I_LOADER;
	uint32_t name;

	l->setup = b.data;
	if (!b.data)
		return error_errno(err, ENOMEM, "its information");
	if (add_command(l, &b, err) < 0 || load_modules(l, &b, end, err) < 0)
		return -err->code;
	if (le32_get(h->flags) & WANTS_VIDEO) {
		tell_screen(info);
		flags |= I_SCREEN;
	}
	le32_put(&info->flags, flags);
	le32_put(&info->modules_at, INFO_AT + sizeof(*info));
	le32_put(&info->map_at, MAP_AT);
	name = add_text(&b, LOADER, strlen(LOADER));
	if (!name)
		return error_set(err, E2BIG, "its command line and modules "
		    "have too much text");
	le32_put(&info->loader, name);
	if (fw_cfg_lend(l->fw, KEY_INFO, b.data, b.used, err) < 0)
		return -err->code;
	return load_piece(l, KEY_INFO, 0, b.used, INFO_AT, err);
}

int
multiboot_load(struct load *l, struct error *err)
{
	struct load_start start = { .kind = LOAD_MULTIBOOT, .info = INFO_AT,
		.map = MAP_AT };
	uint64_t off, entry = 0, end = HIGH_FROM;
	struct header h;
	uint32_t flags;

	if (!find(&l->kernel, &off, &h))
		return error_set(err, EINVAL, "no multiboot header");
	flags = le32_get(h.flags);
	if (flags & REQUIRED & ~(ON_PAGES | WANTS_MEMORY | WANTS_VIDEO))
		return error_set(err, ENOTSUP, "its multiboot header asks for "
		    "features %#x, which are not supported", flags & REQUIRED);
	if (load_begin(l, &start, err) < 0 || fw_cfg_lend(l->fw, KEY_KERNEL,
	    l->kernel.data, l->kernel.len, err) < 0)
		return -err->code;
	if (flags & HAS_ADDRESSES) {
		entry = le32_get(h.entry_addr);
		if (load_addressed(l, &h, off, &end, err) < 0)
			return -err->code;
	} else if (load_elf(l, &entry, &end, err) < 0) {
		return -err->code;
	}
	if (entry >= l->end)
		return error_set(err, EINVAL, "its entry %#llx is outside of "
		    "memory", (unsigned long long)entry);
	load_entry(l, entry);
	return load_info(l, &h, &end, err);
}
