/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.c - the tables that say what is on the board
 *
 * All tables but the root pointer go into one file; where one names another
 * it has the other's offset, and a command tells the firmware to add the
 * address it put the file at.  Checksums come after that.  The commands are
 * the interface of SeaBIOS's (and OVMF's) table loader.
 *
 * ACPI Specification 6.4, section 5.2, by table.
 */
#include "fw/acpi.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"

/* Made of dsdt.asl. */
extern const unsigned char dsdt_aml_code[];
extern const unsigned dsdt_aml_len;

#define TABLES "etc/acpi/tables"
#define ROOT "etc/acpi/rsdp"

enum {
	ROOM = 64 * 1024,
	COMMANDS = 64,
	HEADER = 36,
	MADT_ISO_LEVEL_HIGH = 0x0d,
	IOAPIC = 0xfec00000,
	LAPIC = 0xfee00000u,
	HPET = 0xfed00000u,
	RESET_PORT = 0xcf9,
	RESET_VALUE = 0x0f,
	SCI = 9,
};

/* --- Commands for the firmware ------------------------------------------- */

enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_F_SEGMENT = 2 };

struct command {
	le32 what;
	union {
		struct {
			char file[56];
			le32 align;
			uint8_t zone;
		} allocate;
		struct {
			char in[56], to[56];
			le32 offset;
			uint8_t size;
		} pointer;
		struct {
			char file[56];
			le32 at, from, len;
		} checksum;
		uint8_t pad[124];
	};
};
_Static_assert(sizeof(struct command) == 128, "a command is 128 bytes");

struct builder {
	uint8_t *b;		/* of the tables' file */
	uint32_t len;
	struct command command[COMMANDS];
	unsigned n;
};

static struct command *
command_new(struct builder *t, uint32_t what)
{
	/* Their number follows from this file alone. */
	struct command *c = &t->command[t->n++ % COMMANDS];

	memset(c, 0, sizeof(*c));
	le32_put(&c->what, what);
	return c;
}

static void
allocate(struct builder *t, const char *file, uint32_t align, uint8_t zone)
{
	struct command *c = command_new(t, ALLOCATE);

	strcpy(c->allocate.file, file);
	le32_put(&c->allocate.align, align);
	c->allocate.zone = zone;
}

/* The number at offset of "in" is one within the tables' file. */
static void
add_pointer(struct builder *t, const char *in, uint32_t offset, uint8_t size)
{
	struct command *c = command_new(t, ADD_POINTER);

	strcpy(c->pointer.in, in);
	strcpy(c->pointer.to, TABLES);
	le32_put(&c->pointer.offset, offset);
	c->pointer.size = size;
}

static void
add_checksum(struct builder *t, const char *file, uint32_t at, uint32_t from,
    uint32_t len)
{
	struct command *c = command_new(t, ADD_CHECKSUM);

	strcpy(c->checksum.file, file);
	le32_put(&c->checksum.at, at);
	le32_put(&c->checksum.from, from);
	le32_put(&c->checksum.len, len);
}

/* --- Numbers in a table -------------------------------------------------- */

static void
put8(struct builder *t, uint32_t at, uint8_t v)
{
	t->b[at] = v;
}

static void
put16(struct builder *t, uint32_t at, uint16_t v)
{
	le16 n;

	le16_put(&n, v);
	memcpy(t->b + at, &n, sizeof(n));
}

static void
put32(struct builder *t, uint32_t at, uint32_t v)
{
	le32 n;

	le32_put(&n, v);
	memcpy(t->b + at, &n, sizeof(n));
}

/* A generic address (5.2.3.2): space 0 memory, 1 ports. */
static void
put_address(struct builder *t, uint32_t at, uint8_t space, uint8_t bits,
    uint8_t access, uint32_t address)
{
	put8(t, at, space);
	put8(t, at + 1, bits);
	put8(t, at + 3, access);
	put32(t, at + 4, address);
}

static void
put_pointer(struct builder *t, uint32_t at, uint8_t size, uint32_t to)
{
	put32(t, at, to);
	add_pointer(t, TABLES, at, size);
}

/* Room for a table, zeroed, with its header (5.2.6); its offset. */
static uint32_t
table_new(struct builder *t, const char *signature, uint8_t revision,
    uint32_t len)
{
	uint32_t at = align_up(t->len, 16);

	t->len = at + len;
	memcpy(t->b + at, signature, 4);
	put32(t, at + 4, len);
	put8(t, at + 8, revision);
	memcpy(t->b + at + 10, "COWBRD", 6);
	memcpy(t->b + at + 16, "COWBIRD ", 8);
	put32(t, at + 24, 1);
	memcpy(t->b + at + 28, "CWBD", 4);
	put32(t, at + 32, 1);
	return at;
}

static void
table_done(struct builder *t, uint32_t at)
{
	le32 len;

	memcpy(&len, t->b + at + 4, sizeof(len));
	put8(t, at + 9, 0);
	add_checksum(t, TABLES, at + 9, at, le32_get(len));
}

/* --- Tables -------------------------------------------------------------- */

/* 5.2.10: 64 bytes without the usual header, on a 64-byte boundary. */
static uint32_t
make_facs(struct builder *t)
{
	uint32_t at = align_up(t->len, 64);

	t->len = at + 64;
	memcpy(t->b + at, "FACS", 4);
	put32(t, at + 4, 64);
	put8(t, at + 32, 1);
	return at;
}

/* Writes over the number that dsdt.asl gave a name of four letters. */
static bool
patch(struct builder *t, uint32_t at, uint32_t len, const char *name,
    uint32_t v)
{
	static const uint8_t number[] = { 0x0c, 0x78, 0x56, 0x34, 0x12 };

	for (uint32_t i = at; i + 9 <= at + len; i++) {
		if (!memcmp(t->b + i, name, 4) &&
		    !memcmp(t->b + i + 4, number, sizeof(number))) {
			put32(t, i + 5, v);
			return true;
		}
	}
	return false;
}

/* SeaBIOS begins giving out PCI memory at one of these. */
static uint32_t
pci_window(const struct acpi_config *c)
{
	if (c->ram_low <= 2 * GIB)
		return 0x80000000;
	return c->ram_low <= 3 * GIB ? 0xc0000000 : 0xe0000000;
}

static int
make_dsdt(struct builder *t, const struct acpi_config *c, uint32_t *at,
    struct error *err)
{
	*at = align_up(t->len, 16);
	t->len = *at + dsdt_aml_len;
	memcpy(t->b + *at, dsdt_aml_code, dsdt_aml_len);
	if (!patch(t, *at, dsdt_aml_len, "NCPU", c->cpus) ||
	    !patch(t, *at, dsdt_aml_len, "BRDF", (c->com1 ? 1 : 0) |
	    (c->com2 ? 2 : 0) | (c->floppy ? 4 : 0) | (c->hpet ? 8 : 0)) ||
	    !patch(t, *at, dsdt_aml_len, "PMIN", pci_window(c)) ||
	    !patch(t, *at, dsdt_aml_len, "PMBS", c->pm_base))
		return error_set(err, EINVAL, "the DSDT was built wrong");
	table_done(t, *at);
	return 0;
}

/* 5.2.9, as of ACPI 2.0: the registers twice, as ports and as addresses. */
static uint32_t
make_fadt(struct builder *t, const struct acpi_config *c, uint32_t facs,
    uint32_t dsdt)
{
	enum { LEN = 244, WBINVD = 1, C1 = 1 << 2, NO_SLEEP_BUTTON = 1 << 5,
		NO_FIXED_RTC = 1 << 6, CAN_RESET = 1 << 10,
		LEGACY = 1, HAS_8042 = 2 };
	uint32_t at = table_new(t, "FACP", 3, LEN);
	uint16_t pm = c->pm_base;

	put_pointer(t, at + 36, 4, facs);
	put_pointer(t, at + 40, 4, dsdt);
	put8(t, at + 45, 1);			/* a desktop */
	put16(t, at + 46, SCI);
	put32(t, at + 48, c->smi_command);
	put8(t, at + 52, c->acpi_on);
	put8(t, at + 53, c->acpi_off);
	put32(t, at + 56, pm);			/* PM1a event */
	put32(t, at + 64, pm + 4);		/* PM1a control */
	put32(t, at + 76, pm + 8);		/* timer */
	put32(t, at + 80, pm + 12);		/* GPE0 */
	put8(t, at + 88, 4);
	put8(t, at + 89, 2);
	put8(t, at + 91, 4);
	put8(t, at + 92, 4);
	put16(t, at + 96, 0xfff);		/* no C2, no C3 */
	put16(t, at + 98, 0xfff);
	put8(t, at + 108, 0x32);		/* century in the RTC */
	put16(t, at + 109, LEGACY | HAS_8042);
	put32(t, at + 112, WBINVD | C1 | NO_SLEEP_BUTTON | NO_FIXED_RTC |
	    CAN_RESET);
	put_address(t, at + 116, 1, 8, 1, RESET_PORT);
	put8(t, at + 128, RESET_VALUE);
	put_pointer(t, at + 140, 8, dsdt);
	put_address(t, at + 148, 1, 32, 2, pm);
	put_address(t, at + 172, 1, 16, 2, pm + 4);
	put_address(t, at + 208, 1, 32, 3, pm + 8);
	put_address(t, at + 220, 1, 32, 1, pm + 12);
	table_done(t, at);
	return at;
}

/* 5.2.12: ISA interrupts are the pins of the same number, but the timer's. */
static uint32_t
make_madt(struct builder *t, const struct acpi_config *c)
{
	static const uint8_t level[] = { 5, 9, 10, 11 };
	uint32_t len = HEADER + 8 + 8 * c->cpus + 12 + 10 * 5 + 6;
	uint32_t at = table_new(t, "APIC", 3, len), p = at + HEADER;

	put32(t, p, LAPIC);
	put32(t, p + 4, 1);			/* 8259s are there, too */
	p += 8;
	for (unsigned i = 0; i < c->cpus; i++, p += 8) {
		put16(t, p, 0x0800);		/* local APIC */
		put8(t, p + 2, i);
		put8(t, p + 3, i);
		put32(t, p + 4, 1);
	}
	put16(t, p, 0x0c01);			/* IO-APIC */
	put8(t, p + 2, c->ioapic_id);
	put32(t, p + 4, IOAPIC);
	p += 12;
	for (unsigned i = 0; i < 5; i++, p += 10) {
		put16(t, p, 0x0a02);		/* source override */
		put8(t, p + 3, i ? level[i - 1] : 0);
		put32(t, p + 4, i ? level[i - 1] : 2);
		put16(t, p + 8, i ? MADT_ISO_LEVEL_HIGH : 0);
	}
	put16(t, p, 0x0604);			/* NMI is LINT1 everywhere */
	put8(t, p + 2, 0xff);
	put8(t, p + 5, 1);
	table_done(t, at);
	return at;
}

/* IA-PC HPET Specification 1.0a, 3.2.4. */
static uint32_t
make_hpet(struct builder *t, const struct acpi_config *c)
{
	uint32_t at = table_new(t, "HPET", 1, 56);

	put32(t, at + 36, c->hpet_id);
	put_address(t, at + 40, 0, 64, 0, HPET);
	put16(t, at + 53, 0x0080);		/* shortest period */
	table_done(t, at);
	return at;
}

/* 5.2.7 and 5.2.8: RSDT and XSDT have the same entries. */
static uint32_t
make_root(struct builder *t, const char *signature, uint8_t size,
    const uint32_t *table, unsigned n)
{
	uint32_t at = table_new(t, signature, 1, HEADER + size * n);

	for (unsigned i = 0; i < n; i++)
		put_pointer(t, at + HEADER + size * i, size, table[i]);
	table_done(t, at);
	return at;
}

/* 5.2.5.3: the one table that software searches for. */
static int
add_root_pointer(struct builder *t, struct fw_cfg *fw, uint32_t rsdt,
    uint32_t xsdt, struct error *err)
{
	uint8_t b[36] = "RSD PTR ";
	le32 n;

	memcpy(b + 9, "COWBRD", 6);
	b[15] = 2;
	le32_put(&n, rsdt);
	memcpy(b + 16, &n, sizeof(n));
	le32_put(&n, sizeof(b));
	memcpy(b + 20, &n, sizeof(n));
	le32_put(&n, xsdt);
	memcpy(b + 24, &n, sizeof(n));
	add_pointer(t, ROOT, 16, 4);
	add_pointer(t, ROOT, 24, 8);
	add_checksum(t, ROOT, 8, 0, 20);
	add_checksum(t, ROOT, 32, 0, sizeof(b));
	return fw_cfg_add_file(fw, ROOT, b, sizeof(b), err);
}

int
acpi_add(struct fw_cfg *fw, const struct acpi_config *c, struct error *err)
{
	AUTO_FREE struct builder *t = calloc(1, sizeof(*t));
	AUTO_FREE uint8_t *room = calloc(1, ROOM);
	uint32_t facs, dsdt, table[3], rsdt, xsdt;
	unsigned n = 0;

	if (!t || !room)
		return error_errno(err, ENOMEM, "ACPI tables");
	if (dsdt_aml_len > ROOM / 2 || c->cpus > 255)
		return error_set(err, EINVAL, "ACPI tables are too large");
	t->b = room;
	allocate(t, ROOT, 16, ZONE_F_SEGMENT);
	allocate(t, TABLES, 64, ZONE_HIGH);
	facs = make_facs(t);
	if (make_dsdt(t, c, &dsdt, err) < 0)
		return -err->code;
	table[n++] = make_fadt(t, c, facs, dsdt);
	table[n++] = make_madt(t, c);
	if (c->hpet)
		table[n++] = make_hpet(t, c);
	rsdt = make_root(t, "RSDT", 4, table, n);
	xsdt = make_root(t, "XSDT", 8, table, n);
	if (add_root_pointer(t, fw, rsdt, xsdt, err) < 0 ||
	    fw_cfg_add_file(fw, TABLES, t->b, t->len, err) < 0)
		return -err->code;
	return fw_cfg_add_file(fw, "etc/table-loader", t->command,
	    t->n * sizeof(t->command[0]), err);
}
