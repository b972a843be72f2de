/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c - what stands between a machine and people
 *
 * Streams belong to it, since several front ends may share one; the monitor
 * gets its view of the machine (struct control) from here.
 */
#include "console.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/opts.h"
#include "ctl/monitor.h"
#include "inspect.h"
#include "ui/curses.h"
#include "ui/keys.h"

enum { STREAMS = MACHINE_CHARDEVS + MACHINE_SERIALS + 2 };

struct console {
	struct board *board;
	const struct machine_config *config;
	struct console_board b;

	struct chardev *stream[STREAMS];
	unsigned streams;
	bool stdio;		/* is used */

	struct control control;
	struct monitor *monitor;
	struct chardev *shared;	/* by mon:, with the monitor */
	struct typist typist;
	bool types;
	struct curses_display *curses;
};

/* --- Streams ------------------------------------------------------------- */

static void
quit(void *opaque)
{
	struct console *c = opaque;

	board_quit(c->board, 0);
}

static struct chardev *
make_stream(struct console *c, const struct chardev_config *config,
    const char *label, struct error *err)
{
	struct chardev *chr;

	if (config->kind == CHARDEV_STDIO && c->stdio) {
		error_set(err, EBUSY, "%s: standard input and output are in "
		    "use already", label);
		return NULL;
	}
	if (c->streams == STREAMS) {
		error_set(err, E2BIG, "too many character devices");
		return NULL;
	}
	chr = chardev_new(c->board, config, label, err);
	if (!chr) {
		error_prefix(err, "%s", label);
		return NULL;
	}
	if (config->kind == CHARDEV_STDIO)
		c->stdio = true;
	chardev_on_quit(chr, quit, c);
	c->stream[c->streams++] = chr;
	return chr;
}

static struct chardev *
find_stream(struct console *c, const char *id, struct error *err)
{
	for (unsigned i = 0; i < c->streams; i++) {
		const char *its = chardev_id(c->stream[i]);

		if (its && !strcmp(its, id))
			return c->stream[i];
	}
	error_set(err, ENOENT, "there is no character device '%s'", id);
	return NULL;
}

struct chardev *
console_stream(struct console *c, const struct chardev_config *config,
    const char *label, struct error *err)
{
	struct chardev *chr;

	err->code = 0;
	if (config->kind == CHARDEV_NONE)
		return NULL;
	chr = config->kind == CHARDEV_REF ? find_stream(c, config->id, err) :
	    make_stream(c, config, label, err);
	if (!chr)
		return NULL;
	if (config->monitor)
		c->shared = chr;
	return chardev_share(chr, err);
}

struct console *
console_new(struct board *board, const struct machine_config *config,
    struct error *err)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		error_errno(err, ENOMEM, "console");
		return NULL;
	}
	c->board = board;
	c->config = config;
	for (unsigned i = 0; i < config->chardevs; i++) {
		const struct chardev_config *d = &config->chardev[i];

		if (find_stream(c, d->id, err)) {
			error_set(err, EEXIST, "character device '%s' is "
			    "there already", d->id);
			console_free(c);
			return NULL;
		}
		if (!make_stream(c, d, d->id, err)) {
			console_free(c);
			return NULL;
		}
	}
	return c;
}

void
console_free(struct console *c)
{
	if (!c)
		return;
	curses_free(c->curses);
	if (c->types)
		typist_fini(&c->typist);
	monitor_free(c->monitor);
	for (unsigned i = 0; i < c->streams; i++)
		chardev_free(c->stream[i]);
	free(c);
}

/* --- The machine's functions for the monitor ----------------------------- */

static bool
running(void *opaque)
{
	struct console *c = opaque;

	return machine_is_running(c->b.machine);
}

static void
stop(void *opaque)
{
	struct console *c = opaque;

	machine_stop(c->b.machine);
}

static void
go(void *opaque)
{
	struct console *c = opaque;

	machine_continue(c->b.machine);
}

static void
reset(void *opaque)
{
	struct console *c = opaque;

	machine_reset(c->b.machine);
}

static void
power_button(void *opaque)
{
	struct console *c = opaque;

	machine_power_button(c->b.machine);
}

static void
nmi(void *opaque)
{
	struct console *c = opaque;
	struct vcpus *v = processors_vcpus(c->b.processors);

	for (unsigned i = 0; i < vcpus_n(v); i++)
		vcpus_engine(v)->request(vcpus_cpu(v, i), CPU_REQ_NMI);
}

/* The processors stand still for as long as it takes to look. */
static void
get_regs(struct console *c, unsigned cpu, struct cpu_regs *r)
{
	struct vcpus *v = processors_vcpus(c->b.processors);
	bool held = vcpus_held(v);

	if (!held)
		vcpus_hold(v);
	vcpus_engine(v)->get(vcpus_cpu(v, cpu), r);
	if (!held)
		vcpus_go(v);
}

static void
registers(void *opaque, unsigned cpu, control_line *line, void *arg)
{
	struct console *c = opaque;
	struct cpu_regs r;

	get_regs(c, cpu, &r);
	inspect_registers(&r, mem_a20(c->b.mem), line, arg);
}

static bool
get(void *opaque, unsigned cpu, const char *name, uint64_t *value)
{
	struct cpu_regs r;

	get_regs(opaque, cpu, &r);
	return inspect_register(&r, name, value);
}

/* Where memory is a device's its registers are read, as software would do it;
 * that takes the lock itself. */
static bool
read_physical(struct console *c, uint64_t gpa, uint8_t *buf, unsigned len)
{
	unsigned size = len == 8 || len == 4 || len == 2 ? len : 1;

	if (mem_read(c->b.mem, gpa, buf, len))
		return true;
	board_unlock(c->board);
	for (unsigned i = 0; i < len; i += size) {
		uint64_t v = mem_io_read(c->b.mem, gpa + i, size);

		for (unsigned k = 0; k < size; k++)
			buf[i + k] = v >> 8 * k;
	}
	board_lock(c->board);
	return true;
}

static bool
read_memory(void *opaque, unsigned cpu, bool physical, uint64_t addr,
    void *buf, unsigned len)
{
	struct console *c = opaque;
	struct cpu_regs r;
	uint8_t *to = buf;

	if (physical)
		return read_physical(c, addr, buf, len);
	get_regs(c, cpu, &r);
	while (len) {
		unsigned n = (unsigned)min64(len, 4096 - (addr & 4095));
		uint64_t gpa;

		if (!inspect_translate(&r, c->b.mem, addr, &gpa) ||
		    !read_physical(c, gpa, to, n))
			return false;
		addr += n;
		to += n;
		len -= n;
	}
	return true;
}

static unsigned
disassemble(void *opaque, unsigned cpu, uint64_t addr, const uint8_t *bytes,
    unsigned n, char *text, size_t size)
{
	struct cpu_regs r;

	get_regs(opaque, cpu, &r);
	return inspect_code(&r, addr, bytes, n, text, size);
}

static int
create(void *opaque, const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

static bool
press(void *opaque, const struct chord *chord)
{
	struct console *c = opaque;

	return typist_press(&c->typist, chord);
}

/* --- info ---------------------------------------------------------------- */

/* The peer's names of drives without an id. */
static void
drive_name(char *text, size_t size, const struct machine_drive *d)
{
	if (d->id)
		snprintf(text, size, "%s", d->id);
	else if (d->bus == DRIVE_IDE)
		snprintf(text, size, "ide%u-%s%u", d->index / 2,
		    d->cd ? "cd" : "hd", d->index % 2);
	else
		snprintf(text, size, "%s%u", d->bus == DRIVE_FLOPPY ?
		    "floppy" : "virtio", d->index);
}

static void
show_drives(struct console *c, control_line *line, void *arg)
{
	for (unsigned i = 0; i < c->config->drives; i++) {
		const struct disk *disk = c->b.disk[i];
		const char *file = c->config->drive[i].file;
		char name[64], text[512];

		drive_name(name, sizeof(name), &c->config->drive[i]);
		if (!disk_has_medium(disk))
			snprintf(text, sizeof(text), "%s: [not inserted]",
			    name);
		else
			snprintf(text, sizeof(text), "%s: %s (%" PRIu64
			    " bytes%s)", name, file ? file : "",
			    disk_size(disk), disk_read_only(disk) ?
			    ", read-only" : "");
		line(arg, text);
	}
}

static void
show(void *opaque, enum control_show what, control_line *line, void *arg)
{
	struct console *c = opaque;
	char text[512];

	switch (what) {
	case SHOW_BLOCK:
		show_drives(c, line, arg);
		break;
	case SHOW_CHARDEV:
		for (unsigned i = 0; i < c->streams; i++) {
			chardev_describe(c->stream[i], text, sizeof(text));
			line(arg, text);
		}
		break;
	case SHOW_CPUS:
		for (unsigned i = 0; i < c->control.cpus; i++) {
			struct cpu_regs r;

			get_regs(c, i, &r);
			snprintf(text, sizeof(text), "CPU #%u: pc=0x%016"
			    PRIx64, i, r.rip);
			line(arg, text);
		}
		break;
	case SHOW_MTREE:
		mem_show(c->b.mem, line, arg);
		break;
	case SHOW_PCI:
		pci_show(c->b.pci, line, arg);
		break;
	}
}

/* --- All of it ----------------------------------------------------------- */

static int
start_monitor(struct console *c, struct error *err)
{
	const struct machine_config *config = c->config;
	struct chardev *chr;

	if (config->monitor.kind != CHARDEV_NONE)
		chr = console_stream(c, &config->monitor, "compat_monitor0",
		    err);
	else if (c->shared)
		chr = chardev_share(c->shared, err);
	else
		return 0;
	if (!chr)
		return -err->code;
	c->monitor = monitor_new(c->board, &c->control, chr, err);
	return c->monitor ? 0 : -err->code;
}

int
console_start(struct console *c, const struct console_board *b,
    struct error *err)
{
	const struct machine_config *config = c->config;

	c->b = *b;
	c->control = (struct control){
		.opaque = c,
		.peer = config->peer,
		.version = config->peer ? "7.2.22" : COWBIRD_VERSION,
		.name = config->name,
		.cpus = config->cpus,
		.running = running,
		.stop = stop,
		.go = go,
		.reset = reset,
		.power_button = power_button,
		.nmi = nmi,
		.quit = quit,
		.show = show,
		.registers = registers,
		.get = get,
		.read = read_memory,
		.disassemble = disassemble,
		.create = create,
		.screen = b->screen,
	};
	memcpy(c->control.uuid, config->uuid, sizeof(config->uuid));
	if (b->input.key) {
		typist_init(&c->typist, c->board, b->input);
		c->types = true;
		c->control.press = press;
	}
	if (start_monitor(c, err) < 0)
		return -err->code;
	if (config->display != DISPLAY_CURSES)
		return 0;
	if (c->stdio)
		return error_set(err, EBUSY, "-display curses and a stream "
		    "on stdio are for the same terminal");
	c->curses = curses_new(c->board, b->screen, &c->typist, quit, c, err);
	return c->curses ? 0 : -err->code;
}
