/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw-tables.c - fw_cfg by ports and DMA; ACPI and SMBIOS tables as firmware
 * puts them together */
#include "rig.h"

#include <unistd.h>

#include "fw/acpi.h"
#include "fw/fw_cfg.h"
#include "fw/rom.h"
#include "fw/smbios.h"
#include "support/unit.h"

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16,
	DESCRIPTOR = 0x1000, BUFFER = 0x2000 };

static struct rig r;
static struct fw_cfg *fw;
static struct error err;

static void start(void)
{
	rig_init(&r);
	fw = fw_cfg_new(r.bus, r.mem, &err);
	rig_must(fw, &err);
}

static void end(void)
{
	fw_cfg_free(fw);
	rig_fini(&r);
}

static void by_port(uint16_t key, void *buf, size_t len)
{
	rig_out(&r, 0x510, 2, key);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = rig_in(&r, 0x511, 1);
}

static uint32_t by_dma(uint32_t control, uint32_t len, uint64_t to)
{
	struct { be32 control, len; be64 to; } d;

	be32_put(&d.control, control);
	be32_put(&d.len, len);
	be64_put(&d.to, to);
	mem_write(r.mem, DESCRIPTOR, &d, sizeof(d));
	rig_out(&r, 0x514, 4, 0);
	rig_out(&r, 0x518, 4, htobe32(DESCRIPTOR));
	mem_read(r.mem, DESCRIPTOR, &d, sizeof(d));
	return be32_get(d.control);
}

static void ports(void)
{
	char b[8];
	uint8_t id[4];

	start();
	by_port(0, b, 6);
	CU_ASSERT(!memcmp(b, "QEMU\0\0", 6));
	by_port(1, id, 4);
	CU_ASSERT_EQUAL(id[0], 3);
	by_port(0x4444, b, 4);
	CU_ASSERT(!memcmp(b, "\0\0\0\0", 4));
	fw_cfg_add16(fw, FW_CFG_CPUS, 0x1234, &err);
	by_port(FW_CFG_CPUS, b, 3);
	CU_ASSERT(!memcmp(b, "\x34\x12\0", 3));
	fw_cfg_add_file(fw, "etc/one", "first", 5, &err);
	fw_cfg_add_file(fw, "etc/two", "2nd", 3, &err);
	fw_cfg_add_file(fw, "etc/one", "again!", 6, &err);
	{
		uint8_t dir[4 + 3 * 64];

		by_port(0x19, dir, sizeof(dir));
		CU_ASSERT_EQUAL(dir[3], 2);
		CU_ASSERT_EQUAL(dir[7], 6);
		CU_ASSERT_STRING_EQUAL((char *)dir + 12, "etc/one");
		by_port(dir[8] << 8 | dir[9], b, 7);
		CU_ASSERT(!memcmp(b, "again!\0", 7));
	}
	CU_ASSERT(fw_cfg_add(fw, 0x7000, "", 1, &err) < 0);
	for (unsigned i = 0; i < 62; i++) {
		sprintf(b, "f%u", i);
		CU_ASSERT_EQUAL(fw_cfg_add_file(fw, b, b, 1, &err), 0);
	}
	CU_ASSERT(fw_cfg_add_file(fw, "more", "", 0, &err) < 0);
	end();
}

static void dma(void)
{
	char b[16] = "xxxxxxxxxxxxxxx";

	start();
	CU_ASSERT_EQUAL(rig_in(&r, 0x514, 4), 0x554d4551);
	fw_cfg_add_file(fw, "etc/file", "0123456789", 10, &err);
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | READ, 4, BUFFER), 0);
	CU_ASSERT_EQUAL(by_dma(SKIP, 2, 0), 0);
	CU_ASSERT_EQUAL(by_dma(READ, 8, BUFFER + 4), 0);
	mem_read(r.mem, BUFFER, b, 12);
	CU_ASSERT(!memcmp(b, "01236789\0\0\0\0", 12));
	/* Nothing is written, nothing goes outside of RAM, nothing is long. */
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | WRITE, 4, BUFFER), ERROR);
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | READ, 4, RIG_RAM - 2),
	    ERROR);
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | READ, 4, UINT64_MAX - 1),
	    ERROR);
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | READ, UINT32_MAX, 0),
	    ERROR);
	CU_ASSERT_EQUAL(by_dma(0x20 << 16 | SELECT | SKIP, UINT32_MAX, 0), 0);
	CU_ASSERT_EQUAL(by_dma(READ, 1, BUFFER), 0);
	rig_out(&r, 0x514, 4, UINT32_MAX);
	rig_out(&r, 0x518, 4, UINT32_MAX);
	rig_out(&r, 0x518, 4, htobe32(RIG_RAM - 4));
	end();
}

/* A file by its name: its bytes, to be freed. */
static uint8_t *file(const char *name, uint32_t *len)
{
	uint8_t n[4], *dir, *b = NULL;

	by_port(0x19, n, 4);
	dir = malloc(4 + 64 * n[3]);
	by_port(0x19, dir, 4 + 64 * n[3]);
	for (unsigned i = 0; i < n[3]; i++) {
		uint8_t *e = dir + 4 + 64 * i;
		be32 size;

		if (strcmp((char *)e + 8, name))
			continue;
		memcpy(&size, e, 4);
		*len = be32_get(size);
		b = malloc(*len);
		by_port(e[4] << 8 | e[5], b, *len);
	}
	free(dir);
	return b;
}

static uint32_t get32(const uint8_t *b)
{
	le32 v;

	memcpy(&v, b, 4);
	return le32_get(v);
}

static uint8_t sum(const uint8_t *b, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *b++;
	return s;
}

/* Does what the list of commands says, with the files at these addresses. */
enum { TABLES_AT = 0x100000, ROOT_AT = 0xf5000 };

static void run_commands(uint8_t *tables, uint32_t tables_len, uint8_t *root,
    uint32_t root_len)
{
	uint32_t len;
	uint8_t *list = file("etc/table-loader", &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	CU_ASSERT_EQUAL(len % 128, 0);
	for (uint8_t *c = list; c < list + len; c += 128) {
		const char *name = (char *)c + 4;
		bool in_root = !strcmp(name, "etc/acpi/rsdp");
		uint8_t *b = in_root ? root : tables;
		uint32_t limit = in_root ? root_len : tables_len, at;
		uint64_t v = 0;

		switch (get32(c)) {
		case 1:
			CU_ASSERT_EQUAL(c[64], in_root ? 2 : 1);
			break;
		case 2:
			at = get32(c + 116);
			CU_ASSERT_FATAL(at + c[120] <= limit);
			memcpy(&v, b + at, c[120]);
			CU_ASSERT(v < tables_len);
			v += TABLES_AT;
			memcpy(b + at, &v, c[120]);
			break;
		case 3:
			at = get32(c + 60);
			CU_ASSERT_FATAL(at < limit);
			CU_ASSERT_FATAL(get32(c + 64) + get32(c + 68) <=
			    limit);
			b[get32(c + 60)] = -sum(b + get32(c + 64),
			    get32(c + 68));
			break;
		default:
			CU_FAIL("an unknown command");
		}
	}
	free(list);
}

static const uint8_t *table(const uint8_t *tables, uint32_t len, uint64_t at,
    const char *signature)
{
	const uint8_t *t = tables + (at - TABLES_AT);

	CU_ASSERT_FATAL(at >= TABLES_AT && at + 36 <= TABLES_AT + len);
	CU_ASSERT(!memcmp(t, signature, 4));
	CU_ASSERT_FATAL(at + get32(t + 4) <= TABLES_AT + len);
	CU_ASSERT_EQUAL(sum(t, get32(t + 4)), 0);
	return t;
}

static void acpi(void)
{
	const struct acpi_config c = { .cpus = 3, .ram_low = 3 * GIB,
		.pm_base = 0x600, .smi_command = 0xb2, .acpi_on = 1,
		.acpi_off = 2, .hpet = true, .hpet_id = 0x8086a201,
		.com1 = true };
	uint32_t tables_len, root_len, n = 0;
	uint8_t *tables, *root;
	const uint8_t *rsdt, *xsdt, *fadt, *madt, *dsdt;

	start();
	CU_ASSERT_EQUAL_FATAL(acpi_add(fw, &c, &err), 0);
	tables = file("etc/acpi/tables", &tables_len);
	root = file("etc/acpi/rsdp", &root_len);
	CU_ASSERT_EQUAL_FATAL(root_len, 36);
	run_commands(tables, tables_len, root, root_len);
	CU_ASSERT(!memcmp(root, "RSD PTR ", 8));
	CU_ASSERT_EQUAL(sum(root, 20), 0);
	CU_ASSERT_EQUAL(sum(root, 36), 0);
	rsdt = table(tables, tables_len, get32(root + 16), "RSDT");
	xsdt = table(tables, tables_len, get32(root + 24), "XSDT");
	CU_ASSERT_EQUAL(get32(rsdt + 4), 36 + 4 * 3);
	CU_ASSERT_EQUAL(get32(xsdt + 4), 36 + 8 * 3);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(get32(rsdt + 36 + 4 * i),
		    get32(xsdt + 36 + 8 * i));
	fadt = table(tables, tables_len, get32(rsdt + 36), "FACP");
	CU_ASSERT_EQUAL(get32(fadt + 56), 0x600);
	CU_ASSERT_EQUAL(get32(fadt + 140), get32(fadt + 40));
	CU_ASSERT_EQUAL(get32(fadt + 36) % 64, 0);
	CU_ASSERT(!memcmp(tables + get32(fadt + 36) - TABLES_AT, "FACS", 4));
	dsdt = table(tables, tables_len, get32(fadt + 40), "DSDT");
	for (unsigned i = 0; i + 9 < get32(dsdt + 4); i++) {
		if (!memcmp(dsdt + i, "NCPU\x0c", 5))
			n = get32(dsdt + i + 5);
		CU_ASSERT(memcmp(dsdt + i, "\x0c\x78\x56\x34\x12", 5));
	}
	CU_ASSERT_EQUAL(n, 3);
	madt = table(tables, tables_len, get32(rsdt + 40), "APIC");
	n = 0;
	for (uint32_t at = 44; at < get32(madt + 4); at += madt[at + 1]) {
		CU_ASSERT_FATAL(madt[at + 1] >= 2);
		n += madt[at] == 0;
	}
	CU_ASSERT_EQUAL(n, 3);
	table(tables, tables_len, get32(rsdt + 44), "HPET");
	free(tables);
	free(root);
	end();
}

static void smbios(void)
{
	struct smbios_config c = { .ram_low = 3 * GIB, .ram_high = 13 * GIB,
		.cpus = 8, .version = "1", .uuid = { 0x11, 0x22, 0x33, 0x44 } };
	uint32_t len, entry_len, n = 0, at = 0;
	uint8_t *b, *entry, last = 0;

	start();
	CU_ASSERT_EQUAL_FATAL(smbios_add(fw, &c, &err), 0);
	b = file("etc/smbios/smbios-tables", &len);
	entry = file("etc/smbios/smbios-anchor", &entry_len);
	CU_ASSERT_EQUAL_FATAL(entry_len, 31);
	CU_ASSERT_EQUAL(sum(entry, 31), 0);
	CU_ASSERT_EQUAL(sum(entry + 16, 15), 0);
	CU_ASSERT_EQUAL(entry[22] | entry[23] << 8, len);
	while (at + 4 <= len) {
		if (b[at] == 1)
			CU_ASSERT(!memcmp(b + at + 8, "\x44\x33\x22\x11", 4));
		last = b[at];
		at += b[at + 1];
		while (at + 2 <= len && (b[at] || b[at + 1]))
			at++;
		at += 2;
		n++;
	}
	CU_ASSERT_EQUAL(at, len);
	CU_ASSERT_EQUAL(last, 127);
	CU_ASSERT_EQUAL(n, entry[28] | entry[29] << 8);
	free(b);
	free(entry);
	end();
}

static void roms(void)
{
	char dir[] = "/tmp/cowbird-rom-XXXXXX", path[64];
	struct rom rom;
	FILE *f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/some.bin", dir);
	f = fopen(path, "w");
	fputs("rom", f);
	fclose(f);
	CU_ASSERT_EQUAL(rom_load(&rom, "some.bin", dir, &err), 0);
	CU_ASSERT_EQUAL(rom.len, 3);
	CU_ASSERT(!memcmp(rom.data, "rom", 4));
	rom_unload(&rom);
	CU_ASSERT(rom_load(&rom, "some.bin", NULL, &err) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "package seabios"));
	setenv("COWBIRD_FIRMWARE", dir, 1);
	CU_ASSERT_EQUAL(rom_load(&rom, "some.bin", NULL, &err), 0);
	rom_unload(&rom);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	CU_ASSERT(rom_load(&rom, path, NULL, &err) < 0);
	CU_ASSERT_EQUAL(truncate(path, ROM_MAX + 1ll), 0);
	CU_ASSERT(rom_load(&rom, path, NULL, &err) < 0);
	CU_ASSERT(rom_load(&rom, dir, NULL, &err) < 0);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "fw_cfg items and files by ports", ports },
		{ "fw_cfg by DMA, which stays within RAM", dma },
		{ "ACPI tables are linked and summed by their commands", acpi },
		{ "SMBIOS tables are whole", smbios },
		{ "firmware is found, or its package is named", roms },
		{ NULL, NULL }
	};

	return unit_run("fw-tables", tests);
}
