/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smbios.c - the tables "dmidecode" shows
 *
 * A table is a fixed part and a list of strings after it that the fixed part
 * names by number.  The firmware puts them into memory, adds the one about
 * itself when there is none, and fixes the entry point.
 *
 * SMBIOS Reference Specification 2.8 (DSP0134), section 7 by type.
 */
#include "fw/smbios.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

enum { ROOM = 4096 };

struct tables {
	uint8_t b[ROOM];
	unsigned len, n, largest;
	unsigned start;		/* of the one being made */
	bool full;
};

static void
add(struct tables *t, const void *data, size_t len)
{
	if (len > ROOM - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->b + t->len, data, len);
	t->len += len;
}

/* A fixed part, first its type, length and handle (6.1.2). */
static void
begin(struct tables *t, uint8_t type, uint16_t handle, const void *body,
    uint8_t len)
{
	const uint8_t header[] = { type, len + 4, handle & 0xff, handle >> 8 };

	t->start = t->len;
	add(t, header, sizeof(header));
	add(t, body, len);
}

static void
string(struct tables *t, const char *s)
{
	add(t, s, strlen(s) + 1);
}

/* An empty string ends the list; a list of none is two zeros (6.1.3). */
static void
end(struct tables *t, bool any)
{
	add(t, "\0", any ? 1 : 2);
	t->n++;
	if (t->len - t->start > t->largest)
		t->largest = t->len - t->start;
}

static void
put16(uint8_t *at, uint16_t v)
{
	at[0] = v;
	at[1] = v >> 8;
}

static void
put32(uint8_t *at, uint32_t v)
{
	put16(at, v);
	put16(at + 2, v >> 16);
}

/* 7.2: the first three fields of the UUID are little endian. */
static void
system_table(struct tables *t, const struct smbios_config *c)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6,
		8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t b[23] = { 1, 2, 3, 0 };

	for (unsigned i = 0; i < 16; i++)
		b[4 + i] = c->uuid[order[i]];
	b[20] = 6;			/* by the power switch */
	begin(t, 1, 0x100, b, sizeof(b));
	string(t, "cowbird");
	string(t, "Standard PC (i440FX + PIIX)");
	string(t, c->version);
	end(t, true);
}

static void
chassis_table(struct tables *t)		/* 7.4 */
{
	static const uint8_t b[17] = { 1, 1, 0, 0, 0, 3, 3, 3, 2 };

	begin(t, 3, 0x300, b, sizeof(b));
	string(t, "cowbird");
	end(t, true);
}

static void
processor_table(struct tables *t, unsigned n)	/* 7.5 */
{
	uint8_t b[38] = { 1, 3, 1, 2 };
	char socket[16];

	b[14] = 0x41;			/* populated, enabled */
	b[15] = 1;
	put16(b + 22, 0xffff);		/* no cache handles */
	put16(b + 24, 0xffff);
	put16(b + 26, 0xffff);
	b[31] = b[32] = b[33] = 1;	/* cores, enabled, threads */
	put16(b + 34, 2);
	put16(b + 36, 2);
	snprintf(socket, sizeof(socket), "CPU %u", n);
	begin(t, 4, 0x400 + n, b, sizeof(b));
	string(t, socket);
	string(t, "cowbird");
	end(t, true);
}

/* 7.17 to 7.20: one array with one device, mapped in one or two pieces. */
static void
memory_tables(struct tables *t, const struct smbios_config *c)
{
	uint64_t total = c->ram_low + c->ram_high, mib = total / MIB;
	uint8_t array[11] = { 1, 3, 6 }, device[36] = { 0 };

	put32(array + 3, total / KIB < 0x80000000 ? total / KIB : 0x80000000);
	put16(array + 7, 0xfffe);
	put16(array + 9, 1);
	begin(t, 16, 0x1000, array, sizeof(array));
	end(t, false);

	put16(device, 0x1000);
	put16(device + 2, 0xfffe);
	put16(device + 4, 0xffff);	/* widths are not known */
	put16(device + 6, 0xffff);
	put16(device + 8, mib < 0x7fff ? mib : 0x7fff);
	device[10] = 9;			/* DIMM */
	device[12] = 1;
	device[14] = 7;			/* RAM */
	put16(device + 15, 2);
	put32(device + 24, mib < 0x7fff ? 0 : mib);
	begin(t, 17, 0x1100, device, sizeof(device));
	string(t, "DIMM 0");
	end(t, true);

	for (unsigned i = 0; i < (c->ram_high ? 2 : 1); i++) {
		uint64_t from = i ? 4 * GIB : 0;
		uint64_t len = i ? c->ram_high : c->ram_low;
		uint8_t map[11] = { 0 };

		put32(map, from / KIB);
		put32(map + 4, (from + len - 1) / KIB);
		put16(map + 8, 0x1000);
		map[10] = 1;
		begin(t, 19, 0x1300 + i, map, sizeof(map));
		end(t, false);
	}
}

/* 5.2.1; the firmware fills in address and checksums. */
static void
entry_point(const struct tables *t, uint8_t b[31])
{
	uint8_t sum = 0;

	memset(b, 0, 31);
	memcpy(b, "_SM_", 4);
	b[5] = 31;
	b[6] = 2;
	b[7] = 8;
	put16(b + 8, t->largest);
	memcpy(b + 16, "_DMI_", 5);
	put16(b + 22, t->len);
	put16(b + 28, t->n);
	b[30] = 0x28;
	for (unsigned i = 16; i < 31; i++)
		sum += b[i];
	b[21] = -sum;
	sum = 0;
	for (unsigned i = 0; i < 31; i++)
		sum += b[i];
	b[4] = -sum;
}

int
smbios_add(struct fw_cfg *fw, const struct smbios_config *c,
    struct error *err)
{
	static const uint8_t boot[16] = { 0 };
	struct tables t = { .len = 0 };
	uint8_t entry[31];

	system_table(&t, c);
	chassis_table(&t);
	for (unsigned i = 0; i < c->cpus; i++)
		processor_table(&t, i);
	memory_tables(&t, c);
	begin(&t, 32, 0x2000, boot, 7);		/* 7.33: no errors */
	end(&t, false);
	begin(&t, 127, 0x7f00, "", 0);
	end(&t, false);
	if (t.full)
		return error_set(err, ENOSPC, "SMBIOS tables are too large");
	entry_point(&t, entry);
	if (fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", entry,
	    sizeof(entry), err) < 0)
		return -err->code;
	return fw_cfg_add_file(fw, "etc/smbios/smbios-tables", t.b, t.len,
	    err);
}
