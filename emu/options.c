/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c - the command line
 *
 * A table of options, long names with one dash or two; each has a function
 * that takes its value into the configuration.  Images are opened when all
 * has been read, so that a mistake later on the line leaves nothing behind.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/opts.h"
#include "cli/cli.h"
#include "cpu/model.h"
#include "image.h"

static void
auto_opts(struct opts **o)
{
	opts_free(*o);
}
#define AUTO_OPTS __attribute__((cleanup(auto_opts)))

struct parser {
	struct cli cli;
	struct machine_config *c;
	const char *name;		/* of the option at hand */
	/* What -drive and its short forms say, in the order given. */
	struct opts *line[MACHINE_DRIVES];
	unsigned lines, serials;
	bool done;			/* help was shown */
};

struct emu_option {
	const char *name, *arg, *help;
	int (*take)(struct parser *, const char *value, struct error *);
};

static int
bad(struct parser *p, const char *value, struct error *err)
{
	return error_set(err, EINVAL, "-%s: '%s' is not supported", p->name,
	    value);
}

/* --- Drives ----------------------------------------------------------------------- */

static struct opts *
new_line(struct parser *p, struct error *err)
{
	struct opts **l = &p->line[p->lines];

	if (p->lines == MACHINE_DRIVES) {
		error_set(err, EINVAL, "more than %d drives", MACHINE_DRIVES);
		return NULL;
	}
	*l = opts_new();
	if (!*l)
		error_errno(err, ENOMEM, "-%s", p->name);
	else
		p->lines++;
	return *l;
}

static int
take_drive(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = new_line(p, err);

	return o ? opts_parse(o, value, NULL, err) : -err->code;
}

/* -hda FILE and others: what they are short for. */
static int
short_drive(struct parser *p, const char *path, const char *text,
    struct error *err)
{
	struct opts *o = new_line(p, err);

	if (!o || opts_parse(o, text, NULL, err) < 0 ||
	    opts_set(o, "file", path, err) < 0)
		return -err->code;
	return 0;
}

static int
take_disk(struct parser *p, const char *value, struct error *err)
{
	char text[32] = "if=ide,index=0";

	text[13] += p->name[2] - 'a';
	return short_drive(p, value, text, err);
}

static int
take_cdrom(struct parser *p, const char *value, struct error *err)
{
	return short_drive(p, value, "if=ide,index=2,media=cdrom", err);
}

static int
take_floppy(struct parser *p, const char *value, struct error *err)
{
	char text[32] = "if=floppy,index=0";

	text[16] += p->name[2] - 'a';
	return short_drive(p, value, text, err);
}

static bool
is_taken(const struct machine_config *c, enum drive_bus bus, unsigned index)
{
	for (unsigned i = 0; i < c->drives; i++) {
		if (c->drive[i].bus == bus && c->drive[i].index == index)
			return true;
	}
	return false;
}

static int
drive_place(struct parser *p, struct opts *o, struct machine_drive *d,
    struct error *err)
{
	static const char *const buses[] = { "ide", "floppy", "virtio", NULL };
	static const char *const media[] = { "disk", "cdrom", NULL };
	static const unsigned places[] = { 4, 2, MACHINE_DRIVES };
	unsigned bus = DRIVE_IDE, medium = 0;
	uint64_t index = UINT64_MAX;

	if (opts_take_enum(o, "if", buses, &bus, err) < 0 ||
	    opts_take_enum(o, "media", media, &medium, err) < 0 ||
	    opts_take_u64(o, "index", &index, err) < 0)
		return -err->code;
	d->bus = bus;
	d->cd = medium == 1;
	if (index == UINT64_MAX) {
		/* A CD-ROM's first choice is the secondary master. */
		index = d->cd && bus == DRIVE_IDE ? 2 : 0;
		while (index < places[bus] && is_taken(p->c, bus, index))
			index++;
	}
	if (index >= places[bus] || is_taken(p->c, bus, index))
		return error_set(err, EINVAL, "-drive: no place %llu on %s",
		    (unsigned long long)index, buses[bus]);
	d->index = index;
	return 0;
}

static int
drive_open(struct parser *p, struct opts *o, struct error *err)
{
	static const char *const discards[] = { "ignore", "off", "unmap", "on",
		NULL };
	struct machine_drive *d = &p->c->drive[p->c->drives];
	struct open_args args = { .policy = p->cli.peer ? POLICY_PEER :
	    POLICY_OWN };
	const char *file, *unused, *cache;
	bool snapshot = false;
	unsigned discard = 0;

	*d = (struct machine_drive){ .boot_index = -1 };
	if (drive_place(p, o, d, err) < 0)
		return -err->code;
	d->read_only = d->cd;
	file = opts_take(o, "file");
	args.format = opts_take(o, "format");
	d->id = opts_take(o, "id");
	d->serial = opts_take(o, "serial");
	cache = opts_take(o, "cache");
	if (opts_take_bool(o, "readonly", &d->read_only, err) < 0 ||
	    opts_take_bool(o, "snapshot", &snapshot, err) < 0 ||
	    opts_take_enum(o, "discard", discards, &discard, err) < 0)
		return -err->code;
	unused = opts_unused(o);
	if (unused)
		return error_set(err, EINVAL,
		    "-drive: option '%s' is not supported", unused);
	if (cache && !cli_cache_mode(&p->cli, cache, &args))
		return error_set(err, EINVAL, "-drive: cache mode '%s' is "
		    "not known", cache);
	d->discard = args.unmap = discard >= 2;
	p->c->drives++;
	if (!file) {
		if (!d->cd && d->bus != DRIVE_FLOPPY)
			return error_set(err, EINVAL,
			    "-drive: a disk needs file=");
		return 0;
	}
	args.writable = !d->read_only && !snapshot;
	d->image = image_open(file, &args, err);
	if (!d->image)
		return error_prefix(err, "%s", file);
	if (args.writable && d->image->probed)
		cli_warn_guessed(&p->cli, file);
	if (snapshot && !d->read_only)
		d->image = cli_open_overlay(d->image, true, err);
	return d->image ? 0 : -err->code;
}

/* --- Other options ------------------------------------------------------------------ */

static int
take_memory(struct parser *p, const char *value, struct error *err)
{
	AUTO_OPTS struct opts *o = opts_new();
	const char *text;
	char *end;

	if (!o)
		return error_errno(err, ENOMEM, "-m");
	if (opts_parse(o, value, "size", err) < 0)
		return -err->code;
	text = opts_take(o, "size");
	if (opts_unused(o))
		return error_set(err, EINVAL, "-m: option '%s' is not "
		    "supported", opts_unused(o));
	if (!text)
		return error_set(err, EINVAL, "-m: no size");
	/* A number alone is in MiB. */
	p->c->ram = strtoull(text, &end, 10);
	if (end != text && !*end) {
		if (!mul_ok(p->c->ram, MIB, &p->c->ram))
			return error_set(err, ERANGE, "-m: '%s' is too large",
			    text);
	} else if (size_parse(text, &p->c->ram, err) < 0) {
		return error_prefix(err, "-m: '%s'", text);
	}
	return 0;
}

static int
take_cpus(struct parser *p, const char *value, struct error *err)
{
	AUTO_OPTS struct opts *o = opts_new();
	uint64_t n = 0, max = 0, each[3] = { 1, 1, 1 }, product;

	if (!o)
		return error_errno(err, ENOMEM, "-smp");
	if (opts_parse(o, value, "cpus", err) < 0 ||
	    opts_take_u64(o, "cpus", &n, err) < 0 ||
	    opts_take_u64(o, "sockets", &each[0], err) < 0 ||
	    opts_take_u64(o, "cores", &each[1], err) < 0 ||
	    opts_take_u64(o, "threads", &each[2], err) < 0 ||
	    opts_take_u64(o, "maxcpus", &max, err) < 0)
		return -err->code;
	if (opts_unused(o))
		return error_set(err, EINVAL, "-smp: option '%s' is not "
		    "supported", opts_unused(o));
	if (!mul_ok(each[0], each[1], &product) ||
	    !mul_ok(product, each[2], &product))
		product = 0;
	if (!n)
		n = product;
	if (n < 1 || n > CPU_MAX)
		return error_set(err, EINVAL, "-smp: %llu processors, 1 to "
		    "%d can be", (unsigned long long)n, CPU_MAX);
	if ((max && max != n) || (product > 1 && product != n))
		return error_set(err, EINVAL, "-smp: '%s': processors cannot "
		    "be added later", value);
	p->c->cpus = n;
	return 0;
}

static void
print_line(void *opaque, const char *text)
{
	puts(text);
}

static int
take_model(struct parser *p, const char *value, struct error *err)
{
	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		cpu_model_help(print_line, NULL);
		p->done = true;
	}
	p->c->model = value;
	return 0;
}

/* NAME or NAME:NAME, tried in this order; "tcg" is our own processor. */
static int
take_accel(struct parser *p, const char *value, struct error *err)
{
	AUTO_OPTS struct opts *o = opts_new();
	const char *name;
	bool probe = true;

	if (!o)
		return error_errno(err, ENOMEM, "-accel");
	if (opts_parse(o, value, "accel", err) < 0)
		return -err->code;
	name = opts_take(o, "accel");
	if (opts_take_bool(o, "probe", &probe, err) < 0)
		return -err->code;
	if (!name || opts_unused(o))
		return bad(p, value, err);
	p->c->kvm_unprobed = !probe;
	p->c->accel_fallback = !strcmp(name, "kvm:tcg") ||
	    !strcmp(name, "kvm:interp");
	if (!strcmp(name, "interp") || !strcmp(name, "tcg"))
		p->c->accel = ACCEL_INTERP;
	else if (!strcmp(name, "kvm") || p->c->accel_fallback)
		p->c->accel = ACCEL_KVM;
	else
		return bad(p, name, err);
	return 0;
}

static int
take_kvm(struct parser *p, const char *value, struct error *err)
{
	return take_accel(p, "kvm", err);
}

static int
take_serial(struct parser *p, const char *value, struct error *err)
{
	if (p->serials == MACHINE_SERIALS)
		return error_set(err, EINVAL, "more than %d serial ports",
		    MACHINE_SERIALS);
	return chardev_parse(&p->c->serial[p->serials++], value, err);
}

static int
take_debugcon(struct parser *p, const char *value, struct error *err)
{
	return chardev_parse(&p->c->debugcon, value, err);
}

static int
take_display(struct parser *p, const char *value, struct error *err)
{
	return strcmp(value, "none") ? bad(p, value, err) : 0;
}

static int
take_vga(struct parser *p, const char *value, struct error *err)
{
	p->c->vga = !strcmp(value, "std");
	return p->c->vga || !strcmp(value, "none") ? 0 : bad(p, value, err);
}

static int
take_nographic(struct parser *p, const char *value, struct error *err)
{
	p->c->no_graphic = true;
	if (!p->serials)
		return take_serial(p, "stdio", err);
	return 0;
}

static int
take_nic(struct parser *p, const char *value, struct error *err)
{
	return strcmp(value, "none") ? bad(p, value, err) : 0;
}

static int
take_machine(struct parser *p, const char *value, struct error *err)
{
	AUTO_OPTS struct opts *o = opts_new();
	const char *type, *accel;

	if (!o)
		return error_errno(err, ENOMEM, "-machine");
	if (opts_parse(o, value, "type", err) < 0)
		return -err->code;
	type = opts_take(o, "type");
	accel = opts_take(o, "accel");
	if (opts_unused(o))
		return error_set(err, EINVAL, "-machine: option '%s' is not "
		    "supported", opts_unused(o));
	if (type && strcmp(type, "pc"))
		return bad(p, type, err);
	return accel ? take_accel(p, accel, err) : 0;
}

static int
take_boot(struct parser *p, const char *value, struct error *err)
{
	AUTO_OPTS struct opts *o = opts_new();
	const char *order;
	uint64_t ms;

	if (!o)
		return error_errno(err, ENOMEM, "-boot");
	if (opts_parse(o, value, "order", err) < 0)
		return -err->code;
	order = opts_take(o, "order");
	if (order && (strlen(order) > 3 || strspn(order, "acdn") !=
	    strlen(order)))
		return error_set(err, EINVAL, "-boot: order '%s': up to three "
		    "of a, c, d, n", order);
	if (order)
		strcpy(p->c->boot_order, order);
	if (opts_take_bool(o, "menu", &p->c->boot_menu, err) < 0)
		return -err->code;
	if (opts_has(o, "splash-time")) {
		if (opts_take_u64(o, "splash-time", &ms, err) < 0)
			return -err->code;
		p->c->boot_menu_ms = min64(ms, 0xffff);
	}
	if (opts_unused(o))
		return error_set(err, EINVAL, "-boot: option '%s' is not "
		    "supported", opts_unused(o));
	return 0;
}

static int
take_bios(struct parser *p, const char *value, struct error *err)
{
	p->c->bios = value;
	return 0;
}

static int
take_kernel(struct parser *p, const char *value, struct error *err)
{
	p->c->load.kernel = value;
	return 0;
}

static int
take_initrd(struct parser *p, const char *value, struct error *err)
{
	p->c->load.initrd = value;
	return 0;
}

static int
take_append(struct parser *p, const char *value, struct error *err)
{
	p->c->load.append = value;
	return 0;
}

static int
take_folder(struct parser *p, const char *value, struct error *err)
{
	p->c->firmware_dir = value;
	return 0;
}

static int
take_no_reboot(struct parser *p, const char *value, struct error *err)
{
	p->c->no_reboot = true;
	return 0;
}

static int
take_stopped(struct parser *p, const char *value, struct error *err)
{
	p->c->stopped = true;
	return 0;
}

static int
take_version(struct parser *p, const char *value, struct error *err)
{
	cli_version(&p->cli, stdout);
	p->done = true;
	return 0;
}

static int take_help(struct parser *, const char *, struct error *);

static const struct emu_option options[] = {
	{ "m", "SIZE", "memory, in MiB or with a suffix", take_memory },
	{ "smp", "N", "processors", take_cpus },
	{ "cpu", "MODEL", "processor and its features; 'help' lists them",
	    take_model },
	{ "accel", "NAME", "interp (or tcg), kvm, or kvm:interp; kvm,probe=off "
	    "is not tried first", take_accel },
	{ "enable-kvm", NULL, "the same as -accel kvm", take_kvm },
	{ "machine", "pc[,accel=NAME]", "the board", take_machine },
	{ "M", "pc[,accel=NAME]", "the board", take_machine },
	{ "drive", "file=FILE,...", "a drive: if, index, media, format, "
	    "readonly, snapshot, cache, discard, serial, id", take_drive },
	{ "hda", "FILE", "IDE disk 0", take_disk },
	{ "hdb", "FILE", "IDE disk 1", take_disk },
	{ "hdc", "FILE", "IDE disk 2", take_disk },
	{ "hdd", "FILE", "IDE disk 3", take_disk },
	{ "cdrom", "FILE", "a CD-ROM as IDE drive 2", take_cdrom },
	{ "fda", "FILE", "floppy disk 0", take_floppy },
	{ "fdb", "FILE", "floppy disk 1", take_floppy },
	{ "boot", "ORDER", "a floppy, c disk, d CD-ROM; menu=on|off",
	    take_boot },
	{ "kernel", "FILE", "a Linux or multiboot kernel to boot", take_kernel },
	{ "initrd", "FILE", "its initial RAM disk, or modules", take_initrd },
	{ "append", "TEXT", "its command line", take_append },
	{ "bios", "FILE", "firmware", take_bios },
	{ "L", "DIR", "where firmware is", take_folder },
	{ "serial", "DEV", "serial port: stdio, file:PATH, null, none",
	    take_serial },
	{ "debugcon", "DEV", "what firmware says on port 402h",
	    take_debugcon },
	{ "display", "none", "how the screen is shown", take_display },
	{ "vga", "std|none", "graphics adapter", take_vga },
	{ "nic", "none", "network adapter", take_nic },
	{ "nographic", NULL, "no screen; serial port on stdio",
	    take_nographic },
	{ "no-reboot", NULL, "a reset ends the emulator", take_no_reboot },
	{ "S", NULL, "do not start the processors", take_stopped },
	{ "version", NULL, "show the version", take_version },
	{ "help", NULL, "show this", take_help },
	{ "h", NULL, "show this", take_help },
};

static int
take_help(struct parser *p, const char *value, struct error *err)
{
	printf("usage: %s [OPTION]... [IMAGE]\n\n", p->cli.tool);
	for (unsigned i = 0; i < ARRAY_LEN(options); i++)
		printf("  -%s %-*s%s\n", options[i].name,
		    (int)(28 - strlen(options[i].name)),
		    options[i].arg ? options[i].arg : "", options[i].help);
	p->done = true;
	return 0;
}

/* --- Parsing ------------------------------------------------------------------------ */

static const struct emu_option *
find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		if (!strcmp(options[i].name, name))
			return &options[i];
	}
	return NULL;
}

static int
parse(struct parser *p, int argc, char **argv, struct error *err)
{
	for (int i = 1; i < argc && !p->done; i++) {
		const char *word = argv[i];
		const struct emu_option *o;

		if (word[0] != '-' || !word[1]) {
			p->name = "hda";
			if (take_disk(p, word, err) < 0)
				return -err->code;
			continue;
		}
		p->name = word + (word[1] == '-' ? 2 : 1);
		o = find(p->name);
		if (!o)
			return error_set(err, EINVAL,
			    "option '%s' is not supported", word);
		if (o->arg && ++i == argc)
			return error_set(err, EINVAL, "option '%s' needs %s",
			    word, o->arg);
		if (o->take(p, o->arg ? argv[i] : NULL, err) < 0)
			return -err->code;
	}
	for (unsigned i = 0; i < p->lines && !p->done; i++) {
		if (drive_open(p, p->line[i], err) < 0)
			return -err->code;
	}
	return 0;
}

int
options_parse(struct machine_config *c, int argc, char **argv)
{
	struct parser p = { .c = c };
	struct error err, ignored;
	int ret;

	cli_init(&p.cli, argv[0]);
	machine_defaults(c);
	ret = parse(&p, argc, argv, &err);
	memcpy(c->opts, p.line, sizeof(c->opts));
	if (ret == 0 && !p.done)
		return -1;
	if (ret < 0)
		cli_error(&p.cli, "%s", err.text);
	for (unsigned i = 0; i < c->drives; i++)
		image_close(c->drive[i].image, &ignored);
	options_free(c);
	return ret < 0 ? 1 : 0;
}

void
options_free(struct machine_config *c)
{
	for (unsigned i = 0; i < MACHINE_DRIVES; i++) {
		opts_free(c->opts[i]);
		c->opts[i] = NULL;
	}
	for (unsigned i = 0; i < MACHINE_SERIALS; i++)
		chardev_config_fini(&c->serial[i]);
	chardev_config_fini(&c->debugcon);
}
