/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4_pm.c - Intel 82371AB, function 3: power management
 *
 * ACPI's fixed registers: PM1a event and control, the 24 bit timer and one
 * general purpose event block, in a window whose base the firmware programs.
 * There is no system management mode behind it: a command to port B2h that
 * turns ACPI on does so at once, and the bit that would make commands raise
 * SMIs reads as set, by which firmware knows that it need not set that up.
 *
 * Intel 82371AB datasheet (order number 290562), section 7; ACPI 4.8.
 */
#include "dev/piix4_pm.h"

#include <stdlib.h>
#include <string.h>

#include "dev/pci_regs.h"

enum {
	PMBA = 0x40,		/* 7.1.16 */
	DEVACTB = 0x58,		/* 7.1.20 */
	PMREGMISC = 0x80,	/* 7.1.26 */
	SMBBA = 0x90,		/* 7.1.27 */
	SMBHSTCFG = 0xd2,	/* 7.1.28 */

	WINDOW = 0x40,		/* ports of PMBA */
	TIMER_HZ = 3579545,
	TIMER_BITS = 24,

	/* PM1 status and enable, 7.2.1 and 7.2.2 */
	PM1_TIMER = 0x0001,
	PM1_GLOBAL = 0x0020,
	PM1_BUTTON = 0x0100,
	PM1_RTC = 0x0400,
	PM1_RESUME = 0x8000,
	PM1_STATUS = PM1_TIMER | PM1_GLOBAL | PM1_BUTTON | PM1_RTC |
	    PM1_RESUME,
	PM1_ENABLE = PM1_TIMER | PM1_GLOBAL | PM1_BUTTON | PM1_RTC,
	/* control, 7.2.3 */
	PM1_SCI = 0x0001,
	PM1_SLEEP = 0x2000,

	/* SMBus, 7.3 */
	SMB_BUSY = 0x01, SMB_INTERRUPT = 0x02, SMB_ERROR = 0x04,
	SMB_START = 0x40,
};

struct piix4_pm {
	struct pci_dev pci;
	struct bus *bus;
	struct board *board;
	struct piix4_pm_wires wires;
	struct bus_region *window, *smbus, *apm;
	uint16_t at, smbus_at;	/* ports they are at */
	uint16_t status, enable, control;	/* PM1a */
	uint16_t gpe_status, gpe_enable;
	uint64_t carried;	/* timer's top bit changes that were told */
	struct timer overflow;
	uint8_t apm_command, apm_status;
	uint8_t smb_status, smb_control, smb_command, smb_address, smb_data[2];
};

/* --- The timer: bits 24 and up count the wraps --------------------------- */

static uint64_t
ticks(struct piix4_pm *c)
{
	return (unsigned __int128)board_now_ns(c->board) * TIMER_HZ / NS_PER_S;
}

/* The status bit is set whenever the top bit of the counter changes. */
static void
timer_look(struct piix4_pm *c)
{
	uint64_t changes = ticks(c) >> (TIMER_BITS - 1);

	if (changes != c->carried) {
		c->carried = changes;
		c->status |= PM1_TIMER;
	}
}

static void
update(struct piix4_pm *c)
{
	bool sci = c->status & c->enable & PM1_ENABLE ||
	    c->gpe_status & c->gpe_enable;

	/* Without SCI_EN these events would be SMIs (7.2.3). */
	irq_set(&c->wires.sci, sci && c->control & PM1_SCI);
	if (c->enable & PM1_TIMER && !(c->status & PM1_TIMER)) {
		uint64_t next = (c->carried + 1) << (TIMER_BITS - 1);

		timer_set(&c->overflow, (unsigned __int128)next * NS_PER_S /
		    TIMER_HZ + 1);
	} else {
		timer_stop(&c->overflow);
	}
}

static void
overflow(void *opaque)
{
	struct piix4_pm *c = opaque;

	timer_look(c);
	update(c);
}

void
piix4_pm_button(struct piix4_pm *c)
{
	c->status |= PM1_BUTTON;
	update(c);
}

/* --- Ports from PMBA on (7.2) -------------------------------------------- */

static uint64_t
pm_read(void *opaque, uint64_t off, unsigned size)
{
	struct piix4_pm *c = opaque;

	switch (off & ~1ull) {
	case 0x00:
		timer_look(c);
		return c->status >> 8 * (off & 1);
	case 0x02:
		return c->enable >> 8 * (off & 1);
	case 0x04:
		return c->control >> 8 * (off & 1);
	case 0x08:
	case 0x0a:
		return (ticks(c) & ((1u << TIMER_BITS) - 1)) >> 8 * (off & 3);
	case 0x0c:
		return c->gpe_status >> 8 * (off & 1);
	case 0x0e:
		return c->gpe_enable >> 8 * (off & 1);
	}
	return 0;
}

/* A write of one byte changes that half of the register alone. */
static uint16_t
merged(uint16_t old, uint64_t off, unsigned size, uint64_t value)
{
	if (size > 1)
		return value;
	return off & 1 ? (old & 0xff) | (value & 0xff) << 8 :
	    (old & 0xff00) | (value & 0xff);
}

static void
pm_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct piix4_pm *c = opaque;

	switch (off & ~1ull) {
	case 0x00:
		timer_look(c);
		c->status &= ~(merged(0, off, size, value) & PM1_STATUS);
		break;
	case 0x02:
		c->enable = merged(c->enable, off, size, value) & PM1_ENABLE;
		timer_look(c);
		break;
	case 0x04:
		c->control = merged(c->control, off, size, value);
		if (c->control & PM1_SLEEP) {
			unsigned type = c->control >> 10 & 7;

			c->control &= ~PM1_SLEEP;
			if (c->wires.sleep)
				c->wires.sleep(c->wires.opaque, type);
		}
		break;
	case 0x0c:
		c->gpe_status &= ~merged(0, off, size, value);
		break;
	case 0x0e:
		c->gpe_enable = merged(c->gpe_enable, off, size, value);
		break;
	}
	update(c);
}

/* The timer is read as 4 bytes; the other registers have 2. */
static uint64_t
pm_read_any(void *opaque, uint64_t off, unsigned size)
{
	uint64_t v = pm_read(opaque, off, size);

	if (size == 4 && (off & ~3ull) != 8)
		v = (v & 0xffff) | pm_read(opaque, off + 2, 2) << 16;
	return v;
}

static void
pm_write_any(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	pm_write(opaque, off, size > 2 ? 2 : size, value & 0xffff);
	if (size == 4)
		pm_write(opaque, off + 2, 2, value >> 16);
}

static const struct io_ops pm_ops = {
	.read = pm_read_any,
	.write = pm_write_any,
};

/* --- SMBus host (7.3): every transaction ends with "no answer" ----------- */

static uint64_t
smbus_read(void *opaque, uint64_t off, unsigned size)
{
	struct piix4_pm *c = opaque;

	switch (off) {
	case 0:
		return c->smb_status;
	case 2:
		return c->smb_control;
	case 3:
		return c->smb_command;
	case 4:
		return c->smb_address;
	case 5:
	case 6:
		return c->smb_data[off - 5];
	}
	return 0;
}

static void
smbus_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct piix4_pm *c = opaque;

	switch (off) {
	case 0:
		c->smb_status &= ~value;
		break;
	case 2:
		c->smb_control = value & ~SMB_START;
		if (value & SMB_START)
			c->smb_status = SMB_ERROR;
		break;
	case 3:
		c->smb_command = value;
		break;
	case 4:
		c->smb_address = value;
		break;
	case 5:
	case 6:
		c->smb_data[off - 5] = value;
		break;
	}
}

static const struct io_ops smbus_ops = {
	.read = smbus_read,
	.write = smbus_write,
	.max = 1,
};

/* --- B2h, B3h: the command that turns ACPI on (2.5.4) -------------------- */

static uint64_t
apm_read(void *opaque, uint64_t off, unsigned size)
{
	struct piix4_pm *c = opaque;

	return off ? c->apm_status : c->apm_command;
}

static void
apm_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct piix4_pm *c = opaque;

	if (off) {
		c->apm_status = value;
		return;
	}
	c->apm_command = value;
	if (value == PIIX4_ACPI_ON)
		c->control |= PM1_SCI;
	else if (value == PIIX4_ACPI_OFF)
		c->control &= ~PM1_SCI;
	update(c);
}

static const struct io_ops apm_ops = {
	.read = apm_read,
	.write = apm_write,
	.max = 1,
};

/* --- Configuration ------------------------------------------------------- */

static uint16_t
base(const struct pci_dev *d, unsigned reg, unsigned align)
{
	return (d->config[reg] | d->config[reg + 1] << 8) & ~(align - 1);
}

static void
place(struct piix4_pm *c, struct bus_region **region, uint16_t *at,
    uint16_t wanted, unsigned n, const struct io_ops *ops, const char *name)
{
	if (wanted == *at)
		return;
	bus_remove(*region);
	*region = wanted ? bus_add(c->bus, wanted, n, ops, c, name) : NULL;
	*at = *region ? wanted : 0;
}

static void
config_written(struct pci_dev *d, unsigned off, unsigned n)
{
	struct piix4_pm *c = (struct piix4_pm *)d;
	bool smbus_on = d->config[PCI_COMMAND] & PCI_COMMAND_IO &&
	    d->config[SMBHSTCFG] & 1;

	place(c, &c->window, &c->at, d->config[PMREGMISC] & 1 ?
	    base(d, PMBA, WINDOW) : 0, WINDOW, &pm_ops, "piix4-pm");
	place(c, &c->smbus, &c->smbus_at, smbus_on ? base(d, SMBBA, 16) : 0,
	    16, &smbus_ops, "piix4-smbus");
}

static void
reset(struct pci_dev *d)
{
	struct piix4_pm *c = (struct piix4_pm *)d;

	memset(d->config + 0x40, 0, 0xc0);
	d->config[PMBA] = 1;
	d->config[SMBBA] = 1;
	/* APMC_EN: see the top of this file. */
	d->config[DEVACTB + 3] = 0x02;
	c->status = c->enable = c->control = 0;
	c->gpe_status = c->gpe_enable = 0;
	c->carried = ticks(c) >> (TIMER_BITS - 1);
	c->apm_command = c->apm_status = 0;
	c->smb_status = c->smb_control = c->smb_command = c->smb_address = 0;
	memset(c->smb_data, 0, sizeof(c->smb_data));
	config_written(d, 0, 0);
	update(c);
}

static void
chip_free(struct pci_dev *d)
{
	struct piix4_pm *c = (struct piix4_pm *)d;

	timer_stop(&c->overflow);
	bus_remove(c->window);
	bus_remove(c->smbus);
	bus_remove(c->apm);
	free(c);
}

struct piix4_pm *
piix4_pm_new(struct pci_bus *pci, struct bus *bus, struct board *board,
    const struct piix4_pm_wires *wires, struct error *err)
{
	static const struct pci_id id = { .vendor = 0x8086, .device = 0x7113,
		.class_code = 0x06, .subclass = 0x80, .revision = 0x03,
		.pin = 1 };
	struct piix4_pm *c = calloc(1, sizeof(*c));
	struct pci_dev *d;

	if (!c) {
		error_errno(err, ENOMEM, "piix4-pm");
		return NULL;
	}
	d = &c->pci;
	d->name = "PIIX4_PM";
	d->config_written = config_written;
	d->reset = reset;
	d->free = chip_free;
	c->bus = bus;
	c->board = board;
	c->wires = *wires;
	timer_init(&c->overflow, board, overflow, c);
	if (pci_init(d, pci, &id, 1, 3, err) < 0) {
		free(c);
		return NULL;
	}
	d->config[PCI_STATUS] |= PCI_STATUS_FAST_BACK;
	d->config[PCI_STATUS + 1] = PCI_STATUS_MEDIUM >> 8;
	d->writable[PCI_COMMAND] = PCI_COMMAND_IO;
	d->writable[PMBA] = 0xc0;
	d->writable[PMBA + 1] = 0xff;
	memset(d->writable + 0x44, 0xff, PMREGMISC - 0x44);
	d->writable[PMREGMISC] = 1;
	d->writable[SMBBA] = 0xf0;
	d->writable[SMBBA + 1] = 0xff;
	memset(d->writable + SMBHSTCFG, 0xff, 4);
	c->apm = bus_add(bus, PIIX4_SMI_COMMAND, 2, &apm_ops, c, "apm");
	if (!c->apm) {
		/* The bus frees what is on it. */
		error_errno(err, ENOMEM, "piix4-pm");
		return NULL;
	}
	reset(d);
	return c;
}
