/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_device.c - -device: devices and their properties
 *
 * A table of devices, each with a table of its properties: what is accepted,
 * what -device NAME,help shows, and what is refused by name.  Devices are
 * plugged in once all drives and streams are known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image.h"
#include "options_impl.h"

struct device_type {
	const char *name, *alias, *bus, *help;
	const struct option *properties;	/* ends without name */
	bool pci, virtio;
	int (*plug)(struct parser *, struct opts *, struct error *);
};

static const struct option pci_properties[] = {
	{ "addr", OPTION_STR, "slot on the bus, 3 to 1f", NULL },
	{ "bus", OPTION_STR, "pci.0", NULL },
	{ NULL, 0, NULL, NULL }
};

static const struct option virtio_properties[] = {
	{ "disable-legacy", OPTION_STR, "on, off or auto: no registers of "
	    "old drivers", "auto" },
	{ "disable-modern", OPTION_BOOL, "no registers of version 1", "off" },
	{ "vectors", OPTION_NUMBER, "MSI-X vectors", NULL },
	{ NULL, 0, NULL, NULL }
};

/* --- What properties have in common ------------------------------------------------ */

static int
take_slot(struct opts *o, unsigned *slot, struct error *err)
{
	const char *addr = opts_take(o, "addr"), *bus = opts_take(o, "bus");
	char *end;
	unsigned long n;

	*slot = MACHINE_ANY_SLOT;
	if (bus && strcmp(bus, "pci.0") && strcmp(bus, "pci"))
		return error_set(err, EINVAL, "bus=%s: pci.0 is the only PCI "
		    "bus", bus);
	if (!addr)
		return 0;
	n = strtoul(addr, &end, 16);
	if (end == addr || (*end && strcmp(end, ".0")) || n < 2 || n > 31)
		return error_set(err, EINVAL, "addr=%s: a slot from 2 to 1f",
		    addr);
	*slot = n;
	return 0;
}

static int
take_virtio(struct opts *o, bool *no_legacy, bool *no_modern,
    unsigned *vectors, struct error *err)
{
	const char *legacy = opts_get(o, "disable-legacy");

	if (legacy && !strcmp(legacy, "auto"))
		opts_take(o, "disable-legacy");
	if (opts_take_bool(o, "disable-legacy", no_legacy, err) < 0 ||
	    opts_take_bool(o, "disable-modern", no_modern, err) < 0 ||
	    take_number(o, "vectors", 1, 256, vectors, err) < 0)
		return -err->code;
	if (*no_legacy && *no_modern)
		return error_set(err, EINVAL, "disable-legacy and "
		    "disable-modern leave nothing");
	return 0;
}

static int
take_stream(struct parser *p, struct opts *o, struct chardev_config *c,
    struct error *err)
{
	const char *id = opts_take(o, "chardev");

	*c = (struct chardev_config){ .kind = CHARDEV_NONE };
	if (!id)
		return 0;
	for (unsigned i = 0; i < p->c->chardevs; i++) {
		if (!strcmp(p->c->chardev[i].id, id)) {
			c->kind = CHARDEV_REF;
			c->id = p->c->chardev[i].id;
			return 0;
		}
	}
	return error_set(err, EINVAL, "chardev=%s: there is no such -chardev",
	    id);
}

/* The drive that drive= names, which nothing else has. */
static struct machine_drive *
take_backend(struct parser *p, struct opts *o, bool needed, struct error *err)
{
	const char *id = opts_take(o, "drive");
	struct machine_drive *d = id ? find_drive(p, id) : NULL;
	unsigned index = 0;

	err->code = 0;
	if (!id && needed) {
		error_set(err, EINVAL, "needs drive=");
		return NULL;
	}
	if (id && !d) {
		error_set(err, EINVAL, "drive=%s: there is no such drive", id);
		return NULL;
	}
	if (d && d->bus != DRIVE_NONE) {
		error_set(err, EBUSY, "drive=%s: something has it already", id);
		return NULL;
	}
	if (!d) {	/* one without a medium */
		if (p->c->drives == MACHINE_DRIVES) {
			error_set(err, EINVAL, "too many drives");
			return NULL;
		}
		d = &p->c->drive[p->c->drives++];
		*d = (struct machine_drive){ .boot_index = -1,
			.slot = MACHINE_ANY_SLOT };
	}
	if (opts_has(o, "bootindex")) {
		if (take_number(o, "bootindex", 0, INT32_MAX, &index,
		    err) < 0)
			return NULL;
		d->boot_index = index;
	}
	d->device_id = opts_take(o, "id");
	return d;
}

/* --- Disks ------------------------------------------------------------------------ */

static const struct option blk_properties[] = {
	{ "drive", OPTION_STR, "id of the drive", NULL },
	{ "bootindex", OPTION_NUMBER, "the lowest is tried first", NULL },
	{ "serial", OPTION_STR, "serial number, up to 20 characters", NULL },
	{ "num-queues", OPTION_NUMBER, "request queues", "1" },
	{ "queue-size", OPTION_NUMBER, "entries of a queue", "256" },
	{ "logical_block_size", OPTION_SIZE, "bytes, 512 to 4096", "512" },
	{ "physical_block_size", OPTION_SIZE, "bytes", "512" },
	{ "cyls", OPTION_NUMBER, "geometry", NULL },
	{ "heads", OPTION_NUMBER, "geometry", NULL },
	{ "secs", OPTION_NUMBER, "geometry", NULL },
	{ "discard", OPTION_BOOL, "offer discard", "on" },
	{ "write-zeroes", OPTION_BOOL, "offer writing of zeros", "on" },
	{ "config-wce", OPTION_BOOL, "the guest may turn the cache off",
	    "on" },
	{ NULL, 0, NULL, NULL }
};

static int
take_geometry(struct opts *o, struct machine_drive *d, struct error *err)
{
	unsigned said = opts_has(o, "cyls") + opts_has(o, "heads") +
	    opts_has(o, "secs");

	if (said != 0 && said != 3)
		return error_set(err, EINVAL, "cyls, heads and secs belong "
		    "together");
	if (take_number(o, "cyls", 1, 65535, &d->cylinders, err) < 0 ||
	    take_number(o, "heads", 1, 255, &d->heads, err) < 0)
		return -err->code;
	return take_number(o, "secs", 1, 255, &d->sectors, err);
}

static int
take_block_size(struct opts *o, const char *key, unsigned *v,
    struct error *err)
{
	uint64_t n = 512;

	if (opts_take_size(o, key, &n, err) < 0)
		return -err->code;
	if (!is_pow2(n) || n < 512 || n > 4096)
		return error_set(err, EINVAL, "%s must be 512, 1024, 2048 or "
		    "4096", key);
	*v = n;
	return 0;
}

static int
plug_blk(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_drive *d = take_backend(p, o, true, err);
	bool discard = true, zeroes = true, wce = true;
	const char *serial;

	if (!d)
		return -err->code;
	if (!d->image)
		return error_set(err, EINVAL, "the drive is empty");
	serial = opts_take(o, "serial");
	if (serial && strlen(serial) > 20)
		return error_set(err, EINVAL, "serial=%s: up to 20 characters",
		    serial);
	if (serial)
		d->serial = serial;
	if (take_slot(o, &d->slot, err) < 0 ||
	    take_virtio(o, &d->disable_legacy, &d->disable_modern,
	    &d->vectors, err) < 0 ||
	    take_number(o, "num-queues", 1, 64, &d->queues, err) < 0 ||
	    take_number(o, "queue-size", 2, 256, &d->queue_size, err) < 0 ||
	    take_block_size(o, "logical_block_size", &d->logical_block,
	    err) < 0 ||
	    take_block_size(o, "physical_block_size", &d->physical_block,
	    err) < 0 || take_geometry(o, d, err) < 0 ||
	    opts_take_bool(o, "discard", &discard, err) < 0 ||
	    opts_take_bool(o, "write-zeroes", &zeroes, err) < 0 ||
	    opts_take_bool(o, "config-wce", &wce, err) < 0)
		return -err->code;
	if (d->queue_size && !is_pow2(d->queue_size))
		return error_set(err, EINVAL, "queue-size=%u is no power of "
		    "two", d->queue_size);
	d->no_discard = !discard;
	d->no_write_zeroes = !zeroes;
	d->no_config_wce = !wce;
	d->bus = DRIVE_VIRTIO;
	d->index = MACHINE_DRIVES + (d - p->c->drive);
	return 0;
}

static const struct option ide_properties[] = {
	{ "drive", OPTION_STR, "id of the drive", NULL },
	{ "bus", OPTION_STR, "ide.0 or ide.1", "the first that is free" },
	{ "unit", OPTION_NUMBER, "0 master, 1 slave", NULL },
	{ "bootindex", OPTION_NUMBER, "the lowest is tried first", NULL },
	{ "serial", OPTION_STR, "serial number, up to 20 characters", NULL },
	{ "model", OPTION_STR, "up to 40 characters", NULL },
	{ "ver", OPTION_STR, "firmware's version, up to 8 characters", NULL },
	{ "cyls", OPTION_NUMBER, "geometry", NULL },
	{ "heads", OPTION_NUMBER, "geometry", NULL },
	{ "secs", OPTION_NUMBER, "geometry", NULL },
	{ NULL, 0, NULL, NULL }
};

static int
take_text(struct opts *o, const char *key, size_t max, const char **v,
    struct error *err)
{
	const char *text = opts_take(o, key);

	if (text && strlen(text) > max)
		return error_set(err, EINVAL, "%s=%s: up to %zu characters",
		    key, text, max);
	if (text)
		*v = text;
	return 0;
}

static int
plug_ide(struct parser *p, struct opts *o, bool cd, struct error *err)
{
	struct machine_drive *d = take_backend(p, o, !cd, err);
	const char *bus = opts_take(o, "bus");
	unsigned first = 0, last = 4, unit = 0;

	if (!d)
		return -err->code;
	if (!cd && d->read_only)
		return error_set(err, EINVAL, "an IDE disk cannot be "
		    "read-only");
	if (bus && strcmp(bus, "ide.0") && strcmp(bus, "ide.1"))
		return error_set(err, EINVAL, "bus=%s: ide.0 and ide.1 are",
		    bus);
	if (bus) {
		first = (bus[4] - '0') * 2;
		last = first + 2;
	}
	if (opts_has(o, "unit")) {
		if (take_number(o, "unit", 0, 1, &unit, err) < 0)
			return -err->code;
		first += unit;
		last = first + 1;
	}
	if (take_text(o, "serial", 20, &d->serial, err) < 0 ||
	    take_text(o, "model", 40, &d->model, err) < 0 ||
	    take_text(o, "ver", 8, &d->firmware, err) < 0 ||
	    take_geometry(o, d, err) < 0)
		return -err->code;
	while (first < last && place_taken(p->c, DRIVE_IDE, first))
		first++;
	if (first == last)
		return error_set(err, EBUSY, "no place is left on IDE");
	if (!cd && !d->image)
		return error_set(err, EINVAL, "the drive is empty");
	d->bus = DRIVE_IDE;
	d->index = first;
	d->cd = cd;
	d->read_only |= cd;
	return 0;
}

static int
plug_ide_hd(struct parser *p, struct opts *o, struct error *err)
{
	return plug_ide(p, o, false, err);
}

static int
plug_ide_cd(struct parser *p, struct opts *o, struct error *err)
{
	return plug_ide(p, o, true, err);
}

static const struct option floppy_properties[] = {
	{ "drive", OPTION_STR, "id of the drive", NULL },
	{ "unit", OPTION_NUMBER, "0 or 1", "the first that is free" },
	{ "bootindex", OPTION_NUMBER, "the lowest is tried first", NULL },
	{ NULL, 0, NULL, NULL }
};

static int
plug_floppy(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_drive *d = take_backend(p, o, false, err);
	unsigned unit = 0;

	if (!d)
		return -err->code;
	if (opts_has(o, "unit")) {
		if (take_number(o, "unit", 0, 1, &unit, err) < 0)
			return -err->code;
	} else if (place_taken(p->c, DRIVE_FLOPPY, 0)) {
		unit = 1;
	}
	if (place_taken(p->c, DRIVE_FLOPPY, unit))
		return error_set(err, EBUSY, "there is a floppy drive %u "
		    "already", unit);
	d->bus = DRIVE_FLOPPY;
	d->index = unit;
	return 0;
}

/* --- Other virtio devices ---------------------------------------------------------- */

static struct machine_device *
new_device(struct parser *p, struct opts *o, enum machine_device_kind kind,
    struct error *err)
{
	struct machine_device *d = &p->c->device[p->c->devices];

	if (p->c->devices == MACHINE_DEVICES) {
		error_set(err, EINVAL, "more than %d devices",
		    MACHINE_DEVICES);
		return NULL;
	}
	*d = (struct machine_device){ .kind = kind,
		.id = opts_take(o, "id") };
	if (take_slot(o, &d->slot, err) < 0 || take_virtio(o,
	    &d->disable_legacy, &d->disable_modern, &d->vectors, err) < 0)
		return NULL;
	p->c->devices++;
	return d;
}

static const struct option rng_properties[] = {
	{ "max-bytes", OPTION_SIZE, "bytes in a period", "1M" },
	{ "period", OPTION_NUMBER, "milliseconds", "100" },
	{ NULL, 0, NULL, NULL }
};

static int
plug_rng(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_device *d = new_device(p, o, DEVICE_RNG, err);
	unsigned period = 100;

	if (!d)
		return -err->code;
	d->max_bytes = MIB;
	if (opts_take_size(o, "max-bytes", &d->max_bytes, err) < 0 ||
	    take_number(o, "period", 1, 3600000, &period, err) < 0)
		return -err->code;
	if (!d->max_bytes)
		return error_set(err, EINVAL, "max-bytes=0: nothing at all");
	d->period_ms = period;
	return 0;
}

static const struct option serial_properties[] = {
	{ "max_ports", OPTION_NUMBER, "ports that can be", "31" },
	{ NULL, 0, NULL, NULL }
};

static int
plug_serial(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_device *d = new_device(p, o, DEVICE_SERIAL, err);

	if (!d)
		return -err->code;
	d->max_ports = MACHINE_PORTS;
	return take_number(o, "max_ports", 1, MACHINE_PORTS, &d->max_ports,
	    err);
}

static const struct option console_properties[] = {
	{ "chardev", OPTION_STR, "id of the stream", NULL },
	{ "bus", OPTION_STR, "ID.0 of the virtio-serial-pci", "the last" },
	{ NULL, 0, NULL, NULL }
};

static const struct option port_properties[] = {
	{ "chardev", OPTION_STR, "id of the stream", NULL },
	{ "bus", OPTION_STR, "ID.0 of the virtio-serial-pci", "the last" },
	{ "name", OPTION_STR, "what the guest knows it by", NULL },
	{ NULL, 0, NULL, NULL }
};

static struct machine_device *
find_serial(struct parser *p, const char *bus)
{
	size_t len = bus ? strlen(bus) : 0;

	if (len > 2 && !strcmp(bus + len - 2, ".0"))
		len -= 2;
	for (unsigned i = p->c->devices; i-- > 0; ) {
		struct machine_device *d = &p->c->device[i];

		if (d->kind == DEVICE_SERIAL && (!bus || (d->id &&
		    strlen(d->id) == len && !memcmp(d->id, bus, len))))
			return d;
	}
	return NULL;
}

static int
plug_port(struct parser *p, struct opts *o, bool console, struct error *err)
{
	const char *bus = opts_take(o, "bus");
	struct machine_device *d = find_serial(p, bus);
	struct machine_port *port;

	if (!d)
		return error_set(err, EINVAL, "there is no virtio-serial-pci "
		    "for it%s%s", bus ? ": bus=" : "", bus ? bus : "");
	/* Port 0 is a console or nobody's. */
	if (!console && !d->ports)
		d->port[d->ports++] = (struct machine_port){ .console = true };
	if (d->ports >= d->max_ports)
		return error_set(err, EINVAL, "virtio-serial-pci has %u ports",
		    d->max_ports);
	port = &d->port[d->ports];
	*port = (struct machine_port){ .console = console };
	opts_take(o, "id");
	port->name = opts_take(o, "name");
	if (port->name && strlen(port->name) >= 64)
		return error_set(err, EINVAL, "name=%s: up to 63 characters",
		    port->name);
	if (take_stream(p, o, &port->chr, err) < 0)
		return -err->code;
	d->ports++;
	return 0;
}

static int
plug_console(struct parser *p, struct opts *o, struct error *err)
{
	return plug_port(p, o, true, err);
}

static int
plug_serialport(struct parser *p, struct opts *o, struct error *err)
{
	return plug_port(p, o, false, err);
}

/* --- On the ISA bus ------------------------------------------------------------------ */

static const struct option isa_serial_properties[] = {
	{ "chardev", OPTION_STR, "id of the stream", NULL },
	{ "index", OPTION_NUMBER, "0 COM1, 1 COM2",
	    "the first that is free" },
	{ NULL, 0, NULL, NULL }
};

static int
plug_isa_serial(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_config *c = p->c;
	struct chardev_config chr;
	unsigned n = 0;

	opts_take(o, "id");
	while (n < MACHINE_SERIALS && c->serial[n].kind != CHARDEV_NONE)
		n++;
	if (opts_has(o, "index") && take_number(o, "index", 0,
	    MACHINE_SERIALS - 1, &n, err) < 0)
		return -err->code;
	if (n == MACHINE_SERIALS || c->serial[n].kind != CHARDEV_NONE)
		return error_set(err, EBUSY, "no serial port is left");
	if (take_stream(p, o, &chr, err) < 0)
		return -err->code;
	if (chr.kind == CHARDEV_NONE)
		chr.kind = CHARDEV_NULL;
	c->serial[n] = chr;
	return 0;
}

static const struct option debugcon_properties[] = {
	{ "chardev", OPTION_STR, "id of the stream", NULL },
	{ "iobase", OPTION_NUMBER, "its port", "0xe9" },
	{ NULL, 0, NULL, NULL }
};

static int
plug_debugcon(struct parser *p, struct opts *o, struct error *err)
{
	struct machine_debugcon *d = &p->c->debugcon[p->c->debugcons];
	unsigned port = 0xe9;

	if (p->c->debugcons == MACHINE_DEBUGCONS)
		return error_set(err, EINVAL, "more than %d debug consoles",
		    MACHINE_DEBUGCONS);
	opts_take(o, "id");
	if (take_number(o, "iobase", 0, 0xffff, &port, err) < 0 ||
	    take_stream(p, o, &d->chr, err) < 0)
		return -err->code;
	if (d->chr.kind == CHARDEV_NONE)
		return error_set(err, EINVAL, "needs chardev=");
	d->port = port;
	p->c->debugcons++;
	return 0;
}

static const struct option exit_properties[] = {
	{ "iobase", OPTION_NUMBER, "its first port", "0x501" },
	{ "iosize", OPTION_NUMBER, "ports", "2" },
	{ NULL, 0, NULL, NULL }
};

static int
plug_debug_exit(struct parser *p, struct opts *o, struct error *err)
{
	unsigned port = 0x501, n = 2;

	opts_take(o, "id");
	if (p->c->debug_exit_port)
		return error_set(err, EBUSY, "there is one already");
	if (take_number(o, "iobase", 1, 0xffff, &port, err) < 0 ||
	    take_number(o, "iosize", 1, 8, &n, err) < 0)
		return -err->code;
	if (port + n > 0x10000)
		return error_set(err, EINVAL, "ports end at 0xffff");
	p->c->debug_exit_port = port;
	p->c->debug_exit_ports = n;
	return 0;
}

static int
plug_pci_testdev(struct parser *p, struct opts *o, struct error *err)
{
	return new_device(p, o, DEVICE_TESTDEV, err) ? 0 : -err->code;
}

static int
plug_pc_testdev(struct parser *p, struct opts *o, struct error *err)
{
	opts_take(o, "id");
	if (p->c->pc_testdev)
		return error_set(err, EBUSY, "there is one already");
	p->c->pc_testdev = true;
	return 0;
}

static const struct option no_properties[] = { { NULL, 0, NULL, NULL } };

static int
plug_vga(struct parser *p, struct opts *o, struct error *err)
{
	opts_take(o, "id");
	if (p->c->vga && p->vga)
		return error_set(err, EBUSY, "there is one already");
	p->c->vga = p->vga = true;
	return 0;
}

/* --- All of them -------------------------------------------------------------------- */

static const struct device_type types[] = {
	{ "virtio-blk-pci", "virtio-blk", "PCI", "a disk",
	    blk_properties, true, true, plug_blk },
	{ "virtio-rng-pci", "virtio-rng", "PCI", "random bytes of the host",
	    rng_properties, true, true, plug_rng },
	{ "virtio-serial-pci", "virtio-serial", "PCI", "consoles and ports",
	    serial_properties, true, true, plug_serial },
	{ "virtconsole", NULL, "virtio-serial", "a console",
	    console_properties, false, false, plug_console },
	{ "virtserialport", NULL, "virtio-serial", "a port",
	    port_properties, false, false, plug_serialport },
	{ "VGA", NULL, "PCI", "graphics adapter, as -vga std",
	    no_properties, false, false, plug_vga },
	{ "ide-hd", NULL, "IDE", "a disk", ide_properties, false, false,
	    plug_ide_hd },
	{ "ide-cd", NULL, "IDE", "a CD-ROM drive", ide_properties, false,
	    false, plug_ide_cd },
	{ "floppy", NULL, "floppy-bus", "a floppy disk drive",
	    floppy_properties, false, false, plug_floppy },
	{ "isa-serial", NULL, "ISA", "a serial port", isa_serial_properties,
	    false, false, plug_isa_serial },
	{ "isa-debugcon", NULL, "ISA", "a port whose bytes go to a stream",
	    debugcon_properties, false, false, plug_debugcon },
	{ "isa-debug-exit", NULL, "ISA", "a port that ends the emulator",
	    exit_properties, false, false, plug_debug_exit },
	{ "pc-testdev", NULL, "ISA", "ports for test suites", no_properties,
	    false, false, plug_pc_testdev },
	{ "pci-testdev", NULL, "PCI", "a function for test suites",
	    no_properties, true, false, plug_pci_testdev },
};

static void
show_properties(const struct option *o)
{
	static const char *const kinds[] = { "str", "bool", "size", "number" };

	for (; o->name; o++) {
		printf("  %s=<%s>%*s - %s", o->name, kinds[o->type],
		    (int)(22 - min64(22, strlen(o->name) +
		    strlen(kinds[o->type]))), "", o->help);
		if (o->value)
			printf(" (default: %s)", o->value);
		putchar('\n');
	}
}

static void
show_types(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		const struct device_type *t = &types[i];

		printf("name \"%s\", bus %s%s%s%s, desc \"%s\"\n", t->name,
		    t->bus, t->alias ? ", alias \"" : "",
		    t->alias ? t->alias : "", t->alias ? "\"" : "", t->help);
	}
}

static const struct device_type *
find_type(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		if (!strcmp(name, types[i].name) || (types[i].alias &&
		    !strcmp(name, types[i].alias)))
			return &types[i];
	}
	return NULL;
}

int
take_device(struct parser *p, const char *value, struct error *err)
{
	struct device_line *l = &p->device[p->devices];
	const struct device_type *t;
	const char *name;

	if (p->devices == ARRAY_LEN(p->device))
		return error_set(err, EINVAL, "more than %zu devices",
		    ARRAY_LEN(p->device));
	l->text = value;
	l->o = parse_opts(p, value, "driver", err);
	if (!l->o)
		return -err->code;
	name = opts_get(l->o, "driver");
	if (!name)
		return error_set(err, EINVAL, "no driver is named");
	if (!strcmp(name, "help") || !strcmp(name, "?")) {
		show_types();
		p->done = true;
		return 0;
	}
	t = find_type(name);
	if (!t)
		return error_set(err, EINVAL, "device '%s' is not supported",
		    name);
	if (opts_has(l->o, "help") || opts_has(l->o, "?")) {
		printf("%s options:\n", t->name);
		show_properties(t->properties);
		if (t->virtio)
			show_properties(virtio_properties);
		if (t->pci)
			show_properties(pci_properties);
		p->done = true;
	}
	p->devices++;
	return 0;
}

int
plug_devices(struct parser *p, struct error *err)
{
	for (unsigned i = 0; i < p->devices; i++) {
		struct opts *o = p->device[i].o;
		const struct device_type *t;

		p->what = "device";
		p->value = p->device[i].text;
		t = find_type(opts_take(o, "driver"));
		if (t->plug(p, o, err) < 0 || all_taken(o, err) < 0)
			return -err->code;
	}
	p->what = NULL;
	return 0;
}

/* -global DRIVER.PROPERTY=VALUE: of the one device where it is needed, since
 * -debugcon cannot say it. */
int
take_global(struct parser *p, const char *value, struct error *err)
{
	static const char known[] = "isa-debugcon.iobase=";
	unsigned long port;
	char *end;

	if (strncmp(value, known, strlen(known)))
		return error_set(err, ENOTSUP, "isa-debugcon.iobase is the "
		    "only property that can be set so; -device sets others");
	port = strtoul(value + strlen(known), &end, 0);
	if (*end || end == value + strlen(known) || port > 0xffff)
		return error_set(err, EINVAL, "a port from 0 to 0xffff");
	p->debugcon_port = port;
	return 0;
}
