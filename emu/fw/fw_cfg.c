/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg.c - what the board tells its firmware
 *
 * The guest chooses an item and reads it from its beginning, byte by byte at a
 * port or in one go by DMA.  Past an item's end there are zeros.  Nothing can
 * be written.  All of the guest's addresses go through mem_write().
 */
#include "fw/fw_cfg.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	SIGNATURE = 0x00,
	ID = 0x01,
	FILES = 0x19,
	FILE_FIRST = 0x20,
	FILE_MAX = 64,
	NAME = 56,
	KEYS = 0x60,		/* 00h-5fh; and as many from 8000h on */
	LOCAL = 0x8000,
	NO_KEY = 0xffff,

	ID_PORTS = 1, ID_DMA = 2,

	DMA_ERROR = 0x01,
	DMA_READ = 0x02,
	DMA_SKIP = 0x04,
	DMA_SELECT = 0x08,
	DMA_WRITE = 0x10,
	/* Zeros past an item's end that one transfer may ask for. */
	DMA_ZEROS = 1 << 20,
};

struct item {
	const uint8_t *data;
	size_t len;
	void *own;		/* to be freed */
};

/* A file of the directory, as the guest reads it. */
struct file {
	be32 size;
	be16 key;
	be16 reserved;
	char name[NAME];
};
_Static_assert(sizeof(struct file) == 64, "an entry is 64 bytes");

struct directory {
	be32 n;
	struct file file[FILE_MAX];
};

struct dma {
	be32 control;		/* key in the high half */
	be32 len;
	be64 address;
};

struct fw_cfg {
	struct mem *mem;
	struct bus_region *port, *dma;
	struct item item[2 * KEYS];
	struct directory dir;
	uint16_t key;
	size_t at;		/* in the item chosen */
	uint32_t dma_high;
};

static struct item *
item_of(struct fw_cfg *f, unsigned key)
{
	if (key < KEYS)
		return &f->item[key];
	if (key >= LOCAL && key < LOCAL + KEYS)
		return &f->item[key - LOCAL + KEYS];
	return NULL;
}

/* --- Reading ------------------------------------------------------------- */

static void
choose(struct fw_cfg *f, uint16_t key)
{
	f->key = key;
	f->at = 0;
}

static uint8_t
next_byte(struct fw_cfg *f)
{
	const struct item *i = item_of(f, f->key);

	return i && f->at < i->len ? i->data[f->at++] : 0;
}

static uint64_t
port_read(void *opaque, uint64_t off, unsigned size)
{
	return off ? next_byte(opaque) : 0;
}

/* The selector is a 16-bit register; port 511h only reads. */
static void
port_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	if (off == 0 && size == 2)
		choose(opaque, value);
}

static const struct io_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.max = 2,
};

/* --- DMA ----------------------------------------------------------------- */

static bool
copy_out(struct fw_cfg *f, uint64_t to, uint32_t len)
{
	static const uint8_t zeros[4096];
	const struct item *i = item_of(f, f->key);
	uint32_t n = 0;

	if (i && f->at < i->len)
		n = min64(len, i->len - f->at);
	if (len - n > DMA_ZEROS || (n && !mem_write(f->mem, to,
	    i->data + f->at, n)))
		return false;
	f->at += n;
	for (uint32_t part; n < len; n += part) {
		part = min64(len - n, sizeof(zeros));
		if (!mem_write(f->mem, to + n, zeros, part))
			return false;
	}
	return true;
}

static void
transfer(struct fw_cfg *f, uint64_t at)
{
	struct dma d;
	uint32_t control, len;
	bool ok = true;

	/* Not even the descriptor is RAM: nobody to tell. */
	if (!mem_read(f->mem, at, &d, sizeof(d)))
		return;
	control = be32_get(d.control);
	len = be32_get(d.len);
	if (control & DMA_SELECT)
		choose(f, control >> 16);
	if (control & DMA_READ) {
		ok = copy_out(f, be64_get(d.address), len);
	} else if (control & DMA_WRITE) {
		ok = false;
	} else if (control & DMA_SKIP) {
		const struct item *i = item_of(f, f->key);
		size_t left = i && f->at < i->len ? i->len - f->at : 0;

		f->at += min64(len, left);
	}
	be32_put(&d.control, ok ? 0 : DMA_ERROR);
	mem_write(f->mem, at, &d.control, sizeof(d.control));
}

/* "QEMU CFG", from the most significant byte on. */
static uint64_t
dma_read(void *opaque, uint64_t off, unsigned size)
{
	static const char text[8] = "QEMU CFG";
	uint64_t v = 0;

	if (off + size <= sizeof(text))
		memcpy(&v, text + off, size);
	return v;
}

/* The address in two big-endian halves; the second starts the transfer. */
static void
dma_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct fw_cfg *f = opaque;

	if (size != 4)
		return;
	if (off == 0) {
		f->dma_high = be32toh((uint32_t)value);
	} else if (off == 4) {
		uint64_t at = (uint64_t)f->dma_high << 32 |
		    be32toh((uint32_t)value);

		f->dma_high = 0;
		transfer(f, at);
	}
}

static const struct io_ops dma_ops = {
	.read = dma_read,
	.write = dma_write,
};

/* --- Items --------------------------------------------------------------- */

int
fw_cfg_lend(struct fw_cfg *f, uint16_t key, const void *data, size_t len,
    struct error *err)
{
	struct item *i = item_of(f, key);

	if (!i)
		return error_set(err, EINVAL, "no fw_cfg item %#x", key);
	free(i->own);
	*i = (struct item){ .data = data, .len = len };
	return 0;
}

int
fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, size_t len,
    struct error *err)
{
	void *copy = malloc(len ? len : 1);
	int ret;

	if (!copy)
		return error_errno(err, ENOMEM, "fw_cfg");
	memcpy(copy, data, len);
	ret = fw_cfg_lend(f, key, copy, len, err);
	if (ret < 0)
		free(copy);
	else
		item_of(f, key)->own = copy;
	return ret;
}

int
fw_cfg_add16(struct fw_cfg *f, uint16_t key, uint16_t v, struct error *err)
{
	le16 n;

	le16_put(&n, v);
	return fw_cfg_add(f, key, &n, sizeof(n), err);
}

int
fw_cfg_add32(struct fw_cfg *f, uint16_t key, uint32_t v, struct error *err)
{
	le32 n;

	le32_put(&n, v);
	return fw_cfg_add(f, key, &n, sizeof(n), err);
}

int
fw_cfg_add64(struct fw_cfg *f, uint16_t key, uint64_t v, struct error *err)
{
	le64 n;

	le64_put(&n, v);
	return fw_cfg_add(f, key, &n, sizeof(n), err);
}

int
fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data,
    size_t len, struct error *err)
{
	unsigned n = be32_get(f->dir.n), i = 0;

	if (strlen(name) >= NAME || len > UINT32_MAX)
		return error_set(err, EINVAL,
		    "fw_cfg file '%s': name or contents are too long", name);
	while (i < n && strcmp(f->dir.file[i].name, name))
		i++;
	if (i == FILE_MAX)
		return error_set(err, ENOSPC,
		    "fw_cfg file '%s': there are %u already", name, i);
	if (fw_cfg_add(f, FILE_FIRST + i, data, len, err) < 0)
		return -err->code;
	strncpy(f->dir.file[i].name, name, NAME - 1);
	be16_put(&f->dir.file[i].key, FILE_FIRST + i);
	be32_put(&f->dir.file[i].size, len);
	if (i == n)
		be32_put(&f->dir.n, n + 1);
	return fw_cfg_lend(f, FILES, &f->dir, sizeof(be32) +
	    be32_get(f->dir.n) * sizeof(struct file), err);
}

/* --- The device ---------------------------------------------------------- */

void
fw_cfg_reset(struct fw_cfg *f)
{
	choose(f, NO_KEY);
	f->dma_high = 0;
}

struct fw_cfg *
fw_cfg_new(struct bus *bus, struct mem *mem, struct error *err)
{
	struct fw_cfg *f = calloc(1, sizeof(*f));

	if (!f) {
		error_errno(err, ENOMEM, "fw_cfg");
		return NULL;
	}
	f->mem = mem;
	f->port = bus_add(bus, 0x510, 2, &port_ops, f, "fw-cfg");
	f->dma = bus_add(bus, 0x514, 8, &dma_ops, f, "fw-cfg-dma");
	if (!f->port || !f->dma) {
		error_errno(err, ENOMEM, "fw_cfg");
		goto fail;
	}
	fw_cfg_reset(f);
	if (fw_cfg_add(f, SIGNATURE, "QEMU", 4, err) < 0 ||
	    fw_cfg_add32(f, ID, ID_PORTS | ID_DMA, err) < 0 ||
	    fw_cfg_lend(f, FILES, &f->dir, sizeof(be32), err) < 0)
		goto fail;
	return f;
fail:
	fw_cfg_free(f);
	return NULL;
}

void
fw_cfg_free(struct fw_cfg *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < 2 * KEYS; i++)
		free(f->item[i].own);
	bus_remove(f->port);
	bus_remove(f->dma);
	free(f);
}
