/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firmware.c - ROMs on the board, and what firmware is told about it
 *
 * SeaBIOS asks in two places.  CMOS memory has what a BIOS of the time had
 * there: sizes, drives, the boot order.  fw_cfg has the rest: memory map, ACPI
 * and SMBIOS tables, the boot order by device.
 */
#include "firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dev/piix4_pm.h"
#include "fw/acpi.h"
#include "fw/smbios.h"
#include "load.h"

enum {
	BIOS_LOW = 128 * 1024,		/* of it is below 1 MiB too */
	ROM_AREA = 0xc0000,
	MEG = 0x100000,
	/* Option ROMs' place, empty until the BIOS puts some there. */
	ROM_AREA_SIZE = MEG - BIOS_LOW - ROM_AREA,
};

struct firmware {
	struct rom bios;
	struct fw_cfg *fw;
	struct load *load;	/* of the command line's kernel */
	struct mc146818 *rtc;	/* NULL: the boot order stays */
	const char *boot_order;
	struct mem_region *area, *low, *high;
};

struct firmware *
firmware_new(const struct machine_config *c, struct mem *mem,
    struct bus *bus, struct error *err)
{
	struct firmware *f = calloc(1, sizeof(*f));
	const char *name = c->bios ? c->bios : "bios-256k.bin";
	uint64_t low;

	if (!f) {
		error_errno(err, ENOMEM, "firmware");
		return NULL;
	}
	if (rom_load(&f->bios, name, c->firmware_dir, err) < 0)
		goto fail;
	if (f->bios.len % (64 * KIB)) {
		error_set(err, EINVAL, "firmware '%s' has %zu bytes, not a "
		    "multiple of 64 KiB", name, f->bios.len);
		goto fail;
	}
	low = min64(f->bios.len, BIOS_LOW);
	f->area = mem_add_ram(mem, ROM_AREA, ROM_AREA_SIZE, MEM_NONE, NULL,
	    "option-roms");
	f->low = mem_add_ram(mem, MEG - low, low, MEM_ROM, f->bios.data +
	    f->bios.len - low, "bios-low");
	f->high = mem_add_ram(mem, 4 * GIB - f->bios.len, f->bios.len,
	    MEM_ROM, f->bios.data, "bios");
	if (!f->area || !f->low || !f->high) {
		error_errno(err, ENOMEM, "firmware");
		goto fail;
	}
	f->fw = fw_cfg_new(bus, mem, err);
	if (!f->fw)
		goto fail;
	return f;
fail:
	firmware_free(f);
	return NULL;
}

void
firmware_free(struct firmware *f)
{
	if (!f)
		return;
	fw_cfg_free(f->fw);
	load_free(f->load);
	mem_remove(f->area);
	mem_remove(f->low);
	mem_remove(f->high);
	rom_unload(&f->bios);
	free(f);
}

static unsigned
boot_code(char letter)
{
	static const char letters[] = "?acdn";
	const char *at = letter ? strchr(letters, letter) : NULL;

	return at ? at - letters : 0;
}

static void
tell_boot_order(struct mc146818 *rtc, const char *order)
{
	if (!*order)
		order = "cad";
	mc146818_put(rtc, 0x3d, boot_code(order[0]) |
	    boot_code(order[0] ? order[1] : 0) << 4);
	mc146818_put(rtc, 0x38, order[0] && order[1] ?
	    boot_code(order[2]) << 4 : 0);
}

void
firmware_reset(struct firmware *f)
{
	fw_cfg_reset(f->fw);
	if (f->rtc)
		tell_boot_order(f->rtc, f->boot_order);
}

/* --- CMOS ---------------------------------------------------------------- */

static void
put16(struct mc146818 *rtc, unsigned at, uint64_t v)
{
	v = min64(v, 0xffff);
	mc146818_put(rtc, at, v);
	mc146818_put(rtc, at + 1, v >> 8);
}

static void
tell_memory(struct mc146818 *rtc, const struct mem *mem)
{
	uint64_t low = mem_ram_low(mem), high = mem_ram_high(mem) / (64 * KIB);
	uint64_t extended = low > MEG ? (low - MEG) / KIB : 0;

	put16(rtc, 0x15, min64(low / KIB, 640));
	put16(rtc, 0x17, extended);
	put16(rtc, 0x30, extended);
	put16(rtc, 0x34, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0);
	for (unsigned i = 0; i < 3; i++)
		mc146818_put(rtc, 0x5b + i, high >> 8 * i);
}

/* The first two disks as type 47, "user defined": its geometry follows. */
static void
tell_disk(struct mc146818 *rtc, const struct piix3_ide *ide, unsigned n)
{
	unsigned cylinders, heads, sectors, at = n ? 0x24 : 0x1b;

	if (!piix3_ide_geometry(ide, n, &cylinders, &heads, &sectors))
		return;
	mc146818_put(rtc, 0x12, mc146818_get(rtc, 0x12) | (n ? 0x0f : 0xf0));
	mc146818_put(rtc, n ? 0x1a : 0x19, 47);
	put16(rtc, at, cylinders);
	mc146818_put(rtc, at + 2, heads);
	put16(rtc, at + 3, 0xffff);		/* no precompensation */
	mc146818_put(rtc, at + 5, 0xc0 | (heads > 8) << 3);
	put16(rtc, at + 6, cylinders);
	mc146818_put(rtc, at + 8, sectors);
}

/* How the BIOS makes CHS of four disks, two bits each: 0 as they are, 1 LBA
 * (more cylinders than INT 13h can count). */
static void
tell_translation(struct mc146818 *rtc, const struct piix3_ide *ide)
{
	unsigned cylinders, heads, sectors, v = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (piix3_ide_geometry(ide, i, &cylinders, &heads, &sectors) &&
		    (cylinders > 1024 || heads > 16 || sectors > 63))
			v |= 1u << 2 * i;
	}
	mc146818_put(rtc, 0x39, v);
}

static void
tell_cmos(const struct machine_config *c, const struct firmware_board *b)
{
	struct mc146818 *rtc = b->rtc;
	unsigned floppies = 0, kind[2] = { 0 };

	tell_memory(rtc, b->mem);
	mc146818_put(rtc, 0x5f, c->cpus - 1);
	for (unsigned i = 0; b->floppy && i < 2; i++) {
		kind[i] = i82078_drive_kind(b->floppy, i);
		floppies += kind[i] != 0;
	}
	mc146818_put(rtc, 0x10, kind[0] << 4 | kind[1]);
	/* Equipment: FPU, mouse, drives; video as its own BIOS says. */
	mc146818_put(rtc, 0x14, 0x06 | (floppies ? 1 : 0) |
	    (floppies > 1 ? 0x40 : 0));
	mc146818_put(rtc, 0x12, 0);
	if (b->ide) {
		tell_disk(rtc, b->ide, 0);
		tell_disk(rtc, b->ide, 1);
		tell_translation(rtc, b->ide);
	}
	tell_boot_order(rtc, *c->boot_once ? c->boot_once : c->boot_order);
}

/* --- fw_cfg -------------------------------------------------------------- */

struct e820 {
	le64 at, len;
	le32 type;
};
_Static_assert(sizeof(struct e820) == 20, "an entry is 20 bytes");

static int
tell_map(struct fw_cfg *fw, const struct mem *mem, struct error *err)
{
	struct e820 e[2];
	unsigned n = mem_ram_high(mem) ? 2 : 1;

	le64_put(&e[0].at, 0);
	le64_put(&e[0].len, mem_ram_low(mem));
	le32_put(&e[0].type, 1);
	le64_put(&e[1].at, 4 * GIB);
	le64_put(&e[1].len, mem_ram_high(mem));
	le32_put(&e[1].type, 1);
	return fw_cfg_add_file(fw, "etc/e820", e, n * sizeof(e[0]), err);
}

/* A drive by the path that SeaBIOS knows it by (an Open Firmware name). */
static void
drive_path(char *text, size_t size, const struct machine_drive *d,
    uint8_t devfn)
{
	if (d->bus == DRIVE_IDE)
		snprintf(text, size, "/pci@i0cf8/ide@1,1/drive@%x/disk@%x",
		    d->index / 2 & 1, d->index & 1);
	else if (d->bus == DRIVE_FLOPPY)
		snprintf(text, size, "/pci@i0cf8/isa@1/fdc@03f0/floppy@%x",
		    d->index & 1);
	else if (devfn & 7)
		snprintf(text, size, "/pci@i0cf8/scsi@%x,%x/disk@0,0",
		    devfn >> 3, devfn & 7);
	else
		snprintf(text, size, "/pci@i0cf8/scsi@%x/disk@0,0",
		    devfn >> 3);
}

/* Those with an index, the lowest first, a line each; zero at the end. */
static int
tell_order(struct fw_cfg *fw, const struct machine_config *c,
    const struct firmware_board *b, struct error *err)
{
	char text[(MACHINE_DRIVES + 1) * 64] = "", path[64];
	bool told[MACHINE_DRIVES] = { false };

	/* A kernel was asked for: it comes before all drives. */
	if (c->load.kernel)
		strcpy(text, "/rom@" LOAD_ROM);
	for (;;) {
		unsigned best = MACHINE_DRIVES;

		for (unsigned i = 0; i < c->drives; i++) {
			if (!told[i] && c->drive[i].boot_index >= 0 &&
			    (best == MACHINE_DRIVES || c->drive[i].boot_index <
			    c->drive[best].boot_index))
				best = i;
		}
		if (best == MACHINE_DRIVES)
			break;
		told[best] = true;
		drive_path(path, sizeof(path), &c->drive[best],
		    b->devfn[best]);
		if (*text)
			strcat(text, "\n");
		strcat(text, path);
	}
	if (!*text)
		return 0;
	return fw_cfg_add_file(fw, "bootorder", text, strlen(text) + 1, err);
}

static int
tell_boot(struct fw_cfg *fw, const struct machine_config *c,
    struct error *err)
{
	le16 wait;
	le32 retry;

	/* When nothing boots; -1: never again. */
	le32_put(&retry, c->reboot_ms);
	if (fw_cfg_add_file(fw, "etc/boot-fail-wait", &retry, sizeof(retry),
	    err) < 0)
		return -err->code;
	if (fw_cfg_add16(fw, FW_CFG_BOOT_MENU, c->boot_menu, err) < 0)
		return -err->code;
	if (c->boot_menu_ms < 0)
		return 0;
	le16_put(&wait, min64(c->boot_menu_ms, 0xffff));
	return fw_cfg_add_file(fw, "etc/boot-menu-wait", &wait, sizeof(wait),
	    err);
}

static int
tell_tables(struct fw_cfg *fw, const struct machine_config *c,
    const struct firmware_board *b, struct error *err)
{
	struct acpi_config acpi = {
		.cpus = c->cpus,
		.ram_low = mem_ram_low(b->mem),
		.pm_base = PIIX4_PM_BASE,
		.smi_command = PIIX4_SMI_COMMAND,
		.acpi_on = PIIX4_ACPI_ON,
		.acpi_off = PIIX4_ACPI_OFF,
		.hpet = b->hpet,
		.hpet_id = b->hpet_id,
		.com1 = c->serial[0].kind != CHARDEV_NONE,
		.com2 = c->serial[1].kind != CHARDEV_NONE,
		.floppy = b->floppy,
	};
	struct smbios_config smbios = {
		.ram_low = mem_ram_low(b->mem),
		.ram_high = mem_ram_high(b->mem),
		.cpus = c->cpus,
		.version = COWBIRD_VERSION,
	};

	memcpy(smbios.uuid, c->uuid, sizeof(smbios.uuid));
	if (!c->no_acpi && acpi_add(fw, &acpi, err) < 0)
		return -err->code;
	return smbios_add(fw, &smbios, err);
}

int
firmware_tell(struct firmware *f, const struct machine_config *c,
    const struct firmware_board *b, struct error *err)
{
	/* Sleeping states 0 and 5 are there, 3 and 4 are not. */
	static const uint8_t states[6] = { 128, 0, 0, 0, 0, 128 };
	struct fw_cfg *fw = f->fw;

	tell_cmos(c, b);
	/* The second start is another. */
	if (*c->boot_once) {
		f->rtc = b->rtc;
		f->boot_order = c->boot_order;
	}
	if (fw_cfg_add(fw, FW_CFG_UUID, c->uuid, sizeof(c->uuid), err) < 0 ||
	    fw_cfg_add64(fw, FW_CFG_RAM_SIZE, c->ram, err) < 0 ||
	    fw_cfg_add16(fw, FW_CFG_NO_GRAPHIC, c->no_graphic,
	    err) < 0 ||
	    fw_cfg_add16(fw, FW_CFG_CPUS, c->cpus, err) < 0 ||
	    fw_cfg_add16(fw, FW_CFG_MAX_CPUS, c->cpus, err) < 0 ||
	    fw_cfg_add32(fw, FW_CFG_IRQ0_OVERRIDE, 1, err) < 0 ||
	    fw_cfg_add_file(fw, "etc/system-states", states, sizeof(states),
	    err) < 0 ||
	    tell_map(fw, b->mem, err) < 0 ||
	    tell_boot(fw, c, err) < 0 ||
	    tell_order(fw, c, b, err) < 0)
		return -err->code;
	if (c->load.kernel) {
		f->load = load_new(&c->load, b->mem, fw, err);
		if (!f->load)
			return -err->code;
	}
	return tell_tables(fw, c, b, err);
}
