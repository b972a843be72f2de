/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c - the command line
 *
 * A table of options, long names with one dash or two; each has a function
 * that takes its value into the configuration.  The table makes the parser and
 * -help, and the manual page is held against it.  What the peers have and we
 * have not stands in a table of its own: it is refused by name.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "core/log.h"
#include "cpu/step.h"
#include "image.h"
#include "options_impl.h"

/* --- Shared by the parts ------------------------------------------------------------ */

struct opts *
keep_opts(struct parser *p, struct error *err)
{
	struct machine_config *c = p->c;
	struct opts **more = realloc(c->opts, (c->opts_n + 1) *
	    sizeof(*more)), *o;

	if (more)
		c->opts = more;
	o = more ? opts_new() : NULL;
	if (o)
		c->opts[c->opts_n++] = o;
	else
		error_errno(err, ENOMEM, "options");
	return o;
}

const char *
keep_text(struct parser *p, const char *a, const char *b, struct error *err)
{
	struct opts *o = keep_opts(p, err);
	char *text;
	int ret;

	if (!o)
		return NULL;
	if (asprintf(&text, "%s%s", a, b) < 0) {
		error_errno(err, ENOMEM, "options");
		return NULL;
	}
	ret = opts_set(o, "text", text, err);
	free(text);
	return ret < 0 ? NULL : opts_get(o, "text");
}

struct opts *
parse_opts(struct parser *p, const char *text, const char *implied,
    struct error *err)
{
	struct opts *o = keep_opts(p, err);

	if (!o)
		return NULL;
	if ((*text == '{' ? opts_parse_json(o, text, err) :
	    opts_parse(o, text, implied, err)) < 0)
		return NULL;
	return o;
}

int
all_taken(const struct opts *o, struct error *err)
{
	const char *key = opts_unused(o);

	return key ? error_set(err, EINVAL, "option '%s' is not supported",
	    key) : 0;
}

int
take_number(struct opts *o, const char *key, uint64_t min, uint64_t max,
    unsigned *v, struct error *err)
{
	const char *text = opts_take(o, key);
	unsigned long long n;
	char *end;

	if (!text)
		return 0;
	n = strtoull(text, &end, 0);
	if (end == text || *end || *text == '-' || n < min || n > max)
		return error_set(err, EINVAL, "%s=%s: a number from %llu to "
		    "%llu", key, text, (unsigned long long)min,
		    (unsigned long long)max);
	*v = n;
	return 0;
}

/* --- Streams -------------------------------------------------------------------------- */

static int
take_chardev(struct parser *p, const char *value, struct error *err)
{
	struct machine_config *c = p->c;
	struct chardev_config *d = &c->chardev[c->chardevs];

	if (c->chardevs == MACHINE_CHARDEVS)
		return error_set(err, EINVAL, "more than %d streams",
		    MACHINE_CHARDEVS);
	if (chardev_parse_opts(d, value, err) < 0)
		return -err->code;
	c->chardevs++;
	if (!d->id)
		return error_set(err, EINVAL, "no id=");
	for (unsigned i = 0; i + 1 < c->chardevs; i++) {
		if (!strcmp(c->chardev[i].id, d->id))
			return error_set(err, EINVAL, "there is a stream '%s' "
			    "already", d->id);
	}
	return 0;
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
	struct machine_config *c = p->c;

	if (c->debugcons)
		return error_set(err, EINVAL, "one debug console is all there "
		    "is here; -device isa-debugcon makes others");
	if (chardev_parse(&c->debugcon[0].chr, value, err) < 0)
		return -err->code;
	p->has_debugcon = true;
	c->debugcons = c->debugcon[0].chr.kind != CHARDEV_NONE;
	return 0;
}

static int
take_monitor(struct parser *p, const char *value, struct error *err)
{
	if (p->monitor)
		return error_set(err, EINVAL, "more than one monitor is not "
		    "supported");
	p->monitor = true;
	return chardev_parse(&p->c->monitor, value, err);
}

static int
take_mon(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = parse_opts(p, value, "chardev", err);
	const char *id, *mode;

	if (!o)
		return -err->code;
	if (p->monitor)
		return error_set(err, EINVAL, "more than one monitor is not "
		    "supported");
	id = opts_take(o, "chardev");
	mode = opts_take(o, "mode");
	if (mode && strcmp(mode, "readline"))
		return error_set(err, ENOTSUP, "mode=%s is not supported: "
		    "readline is", mode);
	if (!id)
		return error_set(err, EINVAL, "no chardev=");
	p->monitor = true;
	p->c->monitor = (struct chardev_config){ .kind = CHARDEV_REF,
		.id = id };
	return all_taken(o, err);
}

/* --- Words that are kept ---------------------------------------------------------------- */

#define KEEP(name, field)						\
	static int name(struct parser *p, const char *value,		\
	    struct error *err)						\
	{								\
		p->c->field = value;					\
		return 0;						\
	}
#define SET(name, field)						\
	static int name(struct parser *p, const char *value,		\
	    struct error *err)						\
	{								\
		p->field = true;					\
		return 0;						\
	}

KEEP(take_kernel, load.kernel)
KEEP(take_initrd, load.initrd)
KEEP(take_append, load.append)
KEEP(take_folder, firmware_dir)
KEEP(take_pidfile, pidfile)
KEEP(take_log_file, log_file)
SET(take_no_reboot, c->no_reboot)
SET(take_no_shutdown, c->no_shutdown)
SET(take_stopped, c->stopped)
SET(take_no_acpi, c->no_acpi)
SET(take_no_hpet, c->no_hpet)
SET(take_daemonize, c->daemonize)
SET(take_snapshot, snapshot)
SET(take_no_defaults, no_defaults)
SET(take_nographic, no_graphic)

/* A file here comes before those of the system. */
static int
take_bios(struct parser *p, const char *value, struct error *err)
{
	p->c->bios = value;
	if (!strchr(value, '/') && access(value, F_OK) == 0)
		p->c->bios = keep_text(p, "./", value, err);
	return p->c->bios ? 0 : -err->code;
}

static int
take_nothing(struct parser *p, const char *value, struct error *err)
{
	return 0;
}

/* What there can be none of here, and is asked to be none. */
static int
take_none(struct parser *p, const char *value, struct error *err)
{
	if (!strcmp(value, "none"))
		return 0;
	return error_set(err, ENOTSUP, p->name[0] == 'n' ?
	    "networks are not there yet; 'none' is supported" :
	    "only 'none' is supported");
}

static int
take_log(struct parser *p, const char *value, struct error *err)
{
	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		log_help();
		p->done = true;
	}
	p->c->log = value;
	return 0;
}

static int
take_object(struct parser *p, const char *value, struct error *err)
{
	if (cli_object(&p->cli, value))
		return 0;
	p->said = true;
	return error_set(err, EINVAL, "-object");
}

static int
take_step(struct parser *p, const char *value, struct error *err)
{
	p->code = step_main(stdin, stdout, err);
	p->done = true;
	return p->code < 0 ? -err->code : 0;
}

static int
take_version(struct parser *p, const char *value, struct error *err)
{
	/* Programs look for the peer's words. */
	if (p->cli.peer)
		puts("QEMU emulator version 7.2.22 (cowbird "
		    COWBIRD_VERSION ")");
	else
		cli_version(&p->cli, stdout);
	p->done = true;
	return 0;
}

static int take_help(struct parser *, const char *, struct error *);

/* --- The table ------------------------------------------------------------------------ */

static const struct emu_option options[] = {
	{ "machine", "pc[,PROP=VALUE]", "the board: accel, acpi, hpet, "
	    "graphics, kernel, ...", take_machine },
	{ "M", "pc[,PROP=VALUE]", "the same", take_machine },
	{ "cpu", "MODEL", "processor and its features; help lists them",
	    take_model },
	{ "accel", "NAME", "interp (or tcg), kvm, or kvm:interp", take_accel },
	{ "enable-kvm", NULL, "the same as -accel kvm", take_kvm },
	{ "smp", "N", "processors: [cpus=]N,sockets=,cores=,threads=",
	    take_cpus },
	{ "m", "SIZE", "memory, in MiB or with a suffix", take_memory },
	{ "name", "TEXT", "name of the machine", take_name },
	{ "uuid", "UUID", "its UUID, in SMBIOS", take_uuid },
	{ "rtc", "base=TIME", "clock: utc, localtime or a date; clock=host|vm",
	    take_rtc },
	{ "boot", "ORDER", "a floppy, c disk, d CD-ROM; once=, menu=on|off, "
	    "splash-time=, reboot-timeout=", take_boot },
	{ "kernel", "FILE", "a Linux or multiboot kernel to boot",
	    take_kernel },
	{ "initrd", "FILE", "its initial RAM disk, or modules", take_initrd },
	{ "append", "TEXT", "its command line", take_append },
	{ "bios", "FILE", "firmware", take_bios },
	{ "L", "DIR", "where firmware is", take_folder },

	{ "drive", "file=FILE", "a drive: if, index, bus, unit, media, format, "
	    "readonly, snapshot, cache, discard, detect-zeroes, aio, id",
	    take_drive },
	{ "blockdev", "driver=FORMAT", "an image: node-name, file.driver, "
	    "file.filename, ...; or JSON", take_blockdev },
	{ "hda", "FILE", "IDE disk 0", take_disk },
	{ "hdb", "FILE", "IDE disk 1", take_disk },
	{ "hdc", "FILE", "IDE disk 2", take_disk },
	{ "hdd", "FILE", "IDE disk 3", take_disk },
	{ "cdrom", "FILE", "a CD-ROM as IDE drive 2", take_cdrom },
	{ "fda", "FILE", "floppy disk 0", take_floppy },
	{ "fdb", "FILE", "floppy disk 1", take_floppy },
	{ "snapshot", NULL, "what is written to drives is lost at the end",
	    take_snapshot },
	{ "object", "TYPE,id=ID", "a secret or credentials, for images",
	    take_object },
	{ "device", "NAME", "a device; help lists them, NAME,help its "
	    "properties", take_device },
	{ "global", "NAME.PROP=VALUE", "isa-debugcon.iobase", take_global },

	{ "chardev", "TYPE,id=ID", "a stream: null, stdio, file, pipe, socket, "
	    "pty", take_chardev },
	{ "serial", "DEV", "serial port: stdio, mon:stdio, file:PATH, "
	    "unix:PATH, tcp:HOST:PORT, pty, chardev:ID, null, none",
	    take_serial },
	{ "parallel", "none", "parallel ports: there are none", take_none },
	{ "debugcon", "DEV", "what the guest writes to port e9h",
	    take_debugcon },
	{ "monitor", "DEV", "the monitor, on a stream as -serial's",
	    take_monitor },
	{ "mon", "chardev=ID", "the monitor, on a stream", take_mon },
	{ "display", "TYPE", "how the screen is shown: none, curses",
	    take_display },
	{ "vga", "TYPE", "graphics adapter: std, none", take_vga },
	{ "nographic", NULL, "no screen; serial port and monitor on stdio",
	    take_nographic },
	{ "nic", "none", "network adapters: there are none", take_none },
	{ "net", "none", "networks: there are none", take_none },

	{ "S", NULL, "do not start the processors", take_stopped },
	{ "no-reboot", NULL, "a reset ends the emulator", take_no_reboot },
	{ "no-shutdown", NULL, "power off stops the machine and keeps it",
	    take_no_shutdown },
	{ "no-acpi", NULL, "no ACPI tables", take_no_acpi },
	{ "no-hpet", NULL, "no HPET", take_no_hpet },
	{ "nodefaults", NULL, "only the devices that are named",
	    take_no_defaults },
	{ "no-user-config", NULL, "accepted: there are no such files",
	    take_nothing },
	{ "sandbox", "on|off", "leave the process only what it needs; dir=DIR "
	    "is for the monitor's files", take_sandbox },
	{ "daemonize", NULL, "go to the background once all is ready",
	    take_daemonize },
	{ "pidfile", "FILE", "the process's number goes there",
	    take_pidfile },
	{ "d", "ITEMS", "log these; help lists them", take_log },
	{ "D", "FILE", "where to, instead of standard error", take_log_file },
	{ "cpu-step", NULL, "execute single instructions from standard input",
	    take_step },
	{ "version", NULL, "show the version", take_version },
	{ "help", NULL, "show this", take_help },
	{ "h", NULL, "show this", take_help },
};

/* What the peers have besides; with a word of why. */
static const struct { const char *name, *why; } missing[] = {
	{ "netdev", "networks are not there yet" },
	{ "netfilter", "networks are not there yet" },
	{ "qmp", "the monitor for programs is not there yet" },
	{ "qmp-pretty", "the monitor for programs is not there yet" },
	{ "vnc", "-display none and curses are there" },
	{ "spice", "-display none and curses are there" },
	{ "sdl", "-display none and curses are there" },
	{ "full-screen", "-display none and curses are there" },
	{ "k", "keys are those of a US keyboard" },
	{ "alt-grab", NULL }, { "ctrl-grab", NULL }, { "no-quit", NULL },
	{ "usb", "there is no USB" }, { "usbdevice", "there is no USB" },
	{ "audio", "there is no sound" }, { "audiodev", "there is no sound" },
	{ "audio-help", "there is no sound" },
	{ "soundhw", "there is no sound" },
	{ "dfilter", NULL }, { "trace", "-d is there" },
	{ "s", "there is no debugging stub" },
	{ "gdb", "there is no debugging stub" },
	{ "loadvm", "machines are not saved" },
	{ "incoming", "machines are not moved" },
	{ "only-migratable", "machines are not moved" },
	{ "icount", NULL }, { "numa", NULL }, { "mem-path", NULL },
	{ "mem-prealloc", NULL }, { "overcommit", NULL }, { "set", NULL },
	{ "add-fd", NULL }, { "fw_cfg", NULL }, { "smbios", NULL },
	{ "acpitable", NULL }, { "option-rom", NULL }, { "dtb", NULL },
	{ "pflash", "-bios names firmware" }, { "sd", NULL }, { "mtdblock", NULL },
	{ "virtfs", NULL }, { "fsdev", NULL }, { "iscsi", NULL },
	{ "tpmdev", NULL }, { "rotate", NULL }, { "portrait", NULL },
	{ "watchdog", NULL }, { "watchdog-action", NULL },
	{ "action", "-no-reboot and -no-shutdown are there" },
	{ "echr", NULL }, { "async-teardown", NULL }, { "chroot", NULL },
	{ "runas", NULL }, { "run-with", NULL }, { "readconfig", NULL },
	{ "writeconfig", NULL }, { "no-fd-bootchk", NULL },
	{ "win2k-hack", NULL }, { "g", NULL }, { "bt", NULL },
	{ "semihosting", NULL }, { "prom-env", NULL }, { "msg", NULL },
	{ "plugin", NULL }, { "preconfig", NULL }, { "accel-help", NULL },
	{ "enable-fips", NULL }, { "enable-sync-profile", NULL },
	{ "dump-vmstate", NULL }, { "xen-domid", NULL }, { "curses",
	    "-display curses is" }, { "compat", NULL },
};

static int
take_help(struct parser *p, const char *value, struct error *err)
{
	printf("usage: %s [OPTION]... [IMAGE]\n\n"
	    "Starts a PC; IMAGE is its disk.\n\n", p->cli.tool);
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		char text[64];

		snprintf(text, sizeof(text), "-%s%s%s", options[i].name,
		    options[i].arg ? " " : "",
		    options[i].arg ? options[i].arg : "");
		printf("  %-26s  %s\n", text, options[i].help);
	}
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
unknown(const char *word, const char *name, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_LEN(missing); i++) {
		if (!strcmp(missing[i].name, name))
			return error_set(err, ENOTSUP,
			    "%s is not supported%s%s", word, missing[i].why ?
			    ": " : "", missing[i].why ? missing[i].why : "");
	}
	return error_set(err, EINVAL, "%s: there is no such option", word);
}

static int
take_words(struct parser *p, int argc, char **argv, struct error *err)
{
	for (int i = 1; i < argc && !p->done; i++) {
		const char *word = argv[i];
		const struct emu_option *o;

		if (word[0] != '-' || !word[1]) {
			p->name = p->what = "hda";
			p->value = word;
			if (take_disk(p, word, err) < 0)
				return -err->code;
			continue;
		}
		p->what = NULL;
		p->name = word + (word[1] == '-' ? 2 : 1);
		o = find(p->name);
		if (!o)
			return unknown(word, p->name, err);
		if (o->arg && ++i == argc)
			return error_set(err, EINVAL, "%s needs a value: %s",
			    word, o->arg);
		p->what = o->name;
		p->value = o->arg ? argv[i] : NULL;
		if (o->take(p, p->value, err) < 0)
			return -err->code;
	}
	p->what = NULL;
	return 0;
}

/* "host" is everything that both KVM and we know. */
static int
resolve_model(struct parser *p, struct error *err)
{
	struct machine_config *c = p->c;

	if (!c->model || strncmp(c->model, "host", 4) ||
	    (c->model[4] && c->model[4] != ','))
		return 0;
	if (c->accel != ACCEL_KVM)
		return error_set(err, EINVAL, "-cpu host is for -accel kvm");
	c->model = keep_text(p, "max", c->model + 4, err);
	return c->model ? 0 : -err->code;
}

static bool
can_show(void)
{
#ifdef HAVE_CURSES
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb");
#else
	return false;
#endif
}

static bool
uses_stdio(const struct parser *p)
{
	const struct machine_config *c = p->c;
	bool stdio = p->has_stdio || c->monitor.kind == CHARDEV_STDIO;

	for (unsigned i = 0; i < MACHINE_SERIALS; i++)
		stdio |= c->serial[i].kind == CHARDEV_STDIO;
	for (unsigned i = 0; i < c->debugcons; i++)
		stdio |= c->debugcon[i].chr.kind == CHARDEV_STDIO;
	return stdio;
}

/* -nographic, and what there is without a word. */
static int
add_defaults(struct parser *p, struct error *err)
{
	struct machine_config *c = p->c;
	bool serial = p->serials;

	for (unsigned i = 0; i < c->chardevs; i++)
		p->has_stdio |= c->chardev[i].kind == CHARDEV_STDIO;
	if (p->no_graphic) {
		c->no_graphic = true;
		if (p->display && c->display != DISPLAY_NONE)
			return error_set(err, EINVAL,
			    "-nographic and -display contradict each other");
		c->display = DISPLAY_NONE;
		if (!p->no_defaults && !p->has_stdio && !serial &&
		    chardev_parse(&c->serial[0], p->monitor ? "stdio" :
		    "mon:stdio", err) < 0)
			return -err->code;
		if (!p->no_defaults && !p->has_stdio && serial &&
		    !p->monitor && chardev_parse(&c->monitor, "stdio",
		    err) < 0)
			return -err->code;
	} else if (!p->no_defaults && !serial &&
	    c->serial[0].kind == CHARDEV_NONE) {
		c->serial[0].kind = CHARDEV_NULL;
	}
	if (p->no_defaults && !p->vga)
		c->vga = false;
	/* On a terminal that nothing else uses there is a screen to see. */
	if (!p->display && !p->no_graphic && !p->no_defaults &&
	    !c->daemonize && c->vga && !uses_stdio(p) && isatty(0) &&
	    isatty(1) && can_show())
		c->display = DISPLAY_CURSES;
	if (p->has_debugcon)
		c->debugcon[0].port = p->debugcon_port;
	return 0;
}

static int
check_stream(const struct parser *p, const struct chardev_config *s,
    struct error *err)
{
	if (s->kind == CHARDEV_STDIO && p->c->daemonize)
		return error_set(err, EINVAL, "-daemonize leaves no standard "
		    "input for a stream on stdio");
	if (s->kind != CHARDEV_REF)
		return 0;
	for (unsigned i = 0; i < p->c->chardevs; i++) {
		if (!strcmp(p->c->chardev[i].id, s->id))
			return 0;
	}
	return error_set(err, EINVAL, "there is no -chardev with id=%s",
	    s->id);
}

static int
check(const struct parser *p, struct error *err)
{
	const struct machine_config *c = p->c;

	for (unsigned i = 0; i < c->chardevs; i++) {
		if (check_stream(p, &c->chardev[i], err) < 0)
			return -err->code;
	}
	for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
		if (check_stream(p, &c->serial[i], err) < 0)
			return -err->code;
	}
	for (unsigned i = 0; i < c->debugcons; i++) {
		if (check_stream(p, &c->debugcon[i].chr, err) < 0)
			return -err->code;
	}
	if (!c->load.kernel && c->load.append)
		return error_set(err, EINVAL, "-append is for -kernel");
	if (!c->load.kernel && c->load.initrd)
		return error_set(err, EINVAL, "-initrd is for -kernel");
	if (c->daemonize && c->display == DISPLAY_CURSES)
		return error_set(err, EINVAL, "-daemonize leaves no terminal "
		    "for -display curses");
	return check_stream(p, &c->monitor, err);
}

static int
start_log(struct parser *p, struct error *err)
{
	if (!p->c->log)
		return p->c->log_file ? error_set(err, EINVAL,
		    "-D is for -d") : 0;
	p->what = "d";
	p->value = p->c->log;
	if (log_start(p->c->log, p->c->log_file, err) < 0)
		return -err->code;
	p->what = NULL;
	return 0;
}

static int
parse(struct parser *p, int argc, char **argv, struct error *err)
{
	if (take_words(p, argc, argv, err) < 0)
		return -err->code;
	if (p->done)
		return 0;
	if (resolve_model(p, err) < 0 || add_defaults(p, err) < 0)
		return -err->code;
	if (check(p, err) < 0)
		return -err->code;
	if (start_log(p, err) < 0)
		return -err->code;
	if (p->c->daemonize && daemon_start(err) < 0)
		return -err->code;
	if (open_drives(p, err) < 0)
		return -err->code;
	return plug_devices(p, err);
}

/* "tool: -drive file=x: what is wrong". */
static void
tell(const struct parser *p, const struct error *err)
{
	if (p->said)
		return;
	if (p->what)
		cli_error(&p->cli, "-%s%s%s: %s", p->what, p->value ? " " : "",
		    p->value ? p->value : "", err->text);
	else
		cli_error(&p->cli, "%s", err->text);
}

int
options_parse(struct machine_config *c, int argc, char **argv)
{
	struct parser *p = calloc(1, sizeof(*p));
	struct error err, ignored;
	int ret, code;

	machine_defaults(c);
	if (!p) {
		fprintf(stderr, "%s: no memory\n", argv[0]);
		return 1;
	}
	p->c = c;
	p->debugcon_port = 0xe9;
	cli_init(&p->cli, argv[0]);
	c->tool = p->cli.tool;
	c->peer = p->cli.peer;
	ret = parse(p, argc, argv, &err);
	if (ret < 0)
		tell(p, &err);
	code = ret < 0 ? 1 : p->done ? cli_end(&p->cli, p->code) : -1;
	c->objects = p->cli.objects;
	free(p);
	if (code < 0)
		return -1;
	for (unsigned i = 0; i < c->drives; i++)
		image_close(c->drive[i].image, &ignored);
	options_free(c);
	return code;
}

void
options_free(struct machine_config *c)
{
	for (unsigned i = 0; i < c->opts_n; i++)
		opts_free(c->opts[i]);
	opts_free(c->objects);
	c->objects = NULL;
	free(c->opts);
	c->opts = NULL;
	c->opts_n = 0;
	for (unsigned i = 0; i < c->chardevs; i++)
		chardev_config_fini(&c->chardev[i]);
	for (unsigned i = 0; i < MACHINE_SERIALS; i++)
		chardev_config_fini(&c->serial[i]);
	for (unsigned i = 0; i < c->debugcons; i++)
		chardev_config_fini(&c->debugcon[i].chr);
	chardev_config_fini(&c->monitor);
}
