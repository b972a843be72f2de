/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_commands.c - the monitor's commands
 *
 * A table of commands, one of "info" subjects; help is made of them.  Names
 * and arguments are the peer's.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "ctl/monitor_impl.h"
#include "ui/keys.h"
#include "ui/shot.h"

struct command {
	const char *name, *alias, *args, *help;
	/* args: the rest of the line, without blanks at its beginning. */
	int (*run)(struct monitor *, char *args, struct error *err);
};

/* --- Words --------------------------------------------------------------- */

static char *
skip(char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* Cuts the next word off; "..." may have blanks.  NULL: there is none. */
static char *
next_word(char **at)
{
	char *word = skip(*at), *end;

	if (!*word)
		return NULL;
	if (*word == '"') {
		end = word = word + 1;
		for (char *from = word; *from && *from != '"'; from++) {
			if (*from == '\\' && from[1])
				from++;
			*end++ = *from;
			*at = from + 1;
		}
		if (**at == '"')
			++*at;
		*end = '\0';
		return word;
	}
	for (end = word; *end && !isspace((unsigned char)*end); )
		end++;
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int
no_more(char *at, struct error *err)
{
	at = skip(at);
	return *at ? error_set(err, EINVAL, "extraneous characters: '%s'", at) :
	    0;
}

/* --- Running and stopping ------------------------------------------------ */

static int
run_quit(struct monitor *m, char *args, struct error *err)
{
	m->c->quit(m->c->opaque);
	return 0;
}

static int
run_stop(struct monitor *m, char *args, struct error *err)
{
	m->c->stop(m->c->opaque);
	return 0;
}

static int
run_cont(struct monitor *m, char *args, struct error *err)
{
	m->c->go(m->c->opaque);
	return 0;
}

static int
run_reset(struct monitor *m, char *args, struct error *err)
{
	m->c->reset(m->c->opaque);
	return 0;
}

static int
run_powerdown(struct monitor *m, char *args, struct error *err)
{
	m->c->power_button(m->c->opaque);
	return 0;
}

static int
run_nmi(struct monitor *m, char *args, struct error *err)
{
	m->c->nmi(m->c->opaque);
	return 0;
}

static int
run_cpu(struct monitor *m, char *args, struct error *err)
{
	const char *at = args;
	uint64_t n;

	if (monitor_value(m, &at, &n, err) < 0)
		return -err->code;
	if (n >= m->c->cpus)
		return error_set(err, EINVAL, "there is no processor %" PRIu64,
		    n);
	m->cpu = (unsigned)n;
	return 0;
}

/* --- Keyboard and screen ------------------------------------------------- */

static int
run_sendkey(struct monitor *m, char *args, struct error *err)
{
	char *keys = next_word(&args);
	struct chord chord = { .hold_ns = 100000000 };
	const char *at;
	uint64_t ms;

	if (!keys)
		return error_set(err, EINVAL, "sendkey: keys expected");
	if (!m->c->press)
		return error_set(err, ENODEV, "there is no keyboard");
	if (*(at = skip(args))) {
		if (monitor_value(m, &at, &ms, err) < 0)
			return -err->code;
		if (*at || ms > 60000)
			return error_set(err, EINVAL,
			    "sendkey: hold time: 0 to 60000 ms");
		chord.hold_ns = ms * 1000000;
	}
	if (chord_parse(&chord, keys, err) < 0)
		return -err->code;
	if (!m->c->press(m->c->opaque, &chord))
		return error_set(err, EBUSY, "too many keys are waiting");
	return 0;
}

/* What a blank screen looks like. */
static const uint32_t black[640 * 480];

static void
get_picture(struct monitor *m, struct picture *p)
{
	const struct display_source *s = &m->c->screen;

	if (!s->picture(s->dev, p) || !p->width || !p->height)
		*p = (struct picture){ .width = 640, .height = 480,
		    .pixel = black };
}

static int
run_screendump(struct monitor *m, char *args, struct error *err)
{
	char *file = NULL, *word, *format = NULL;
	struct picture p;
	FILE *f;
	int fd, ret;

	while ((word = next_word(&args))) {
		if (!strcmp(word, "-f") && !format) {
			format = next_word(&args);
			if (!format)
				return error_set(err, EINVAL,
				    "screendump: format expected");
		} else if (!file) {
			file = word;
		} else {
			return error_set(err, ENOTSUP, "screendump: there is "
			    "one screen: '%s'", word);
		}
	}
	if (!file)
		return error_set(err, EINVAL,
		    "screendump: filename expected");
	if (format && strcmp(format, "png") && strcmp(format, "ppm"))
		return error_set(err, EINVAL,
		    "invalid parameter value: %s", format);
	if (!m->c->screen.picture)
		return error_set(err, ENODEV, "there is no screen");
	get_picture(m, &p);
	fd = m->c->create(m->c->opaque, file, err);
	if (fd < 0)
		return fd;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return error_errno(err, ENOMEM, "screendump");
	}
	/* Without -f the peer's is a PPM. */
	ret = format && !strcmp(format, "png") ? shot_png(f, &p, err) :
	    shot_ppm(f, &p, err);
	if (fclose(f) != 0 && ret == 0)
		ret = error_errno(err, errno, "%s", file);
	return ret;
}

static int
info_screen(struct monitor *m, char *args, struct error *err)
{
	char line[TEXT_ROW];
	struct picture p;

	if (!m->c->screen.picture)
		return error_set(err, ENODEV, "there is no screen");
	get_picture(m, &p);
	if (!p.columns) {
		monitor_print(m, "graphics: %u x %u\n", p.width, p.height);
		return 0;
	}
	for (unsigned row = 0; row < p.rows; row++) {
		text_row(&p, row, line);
		monitor_show_line(m, line);
	}
	return 0;
}

/* --- Memory -------------------------------------------------------------- */

static int
dump(struct monitor *m, char *args, bool physical, struct error *err)
{
	const char *at = args;
	uint64_t addr;
	bool said;

	if (monitor_format(&m->dump, &at, &said, err) < 0 ||
	    monitor_value(m, &at, &addr, err) < 0)
		return -err->code;
	if (*at)
		return error_set(err, EINVAL, "extraneous characters: '%s'",
		    at);
	return monitor_dump(m, &m->dump, physical, addr, err);
}

static int
run_x(struct monitor *m, char *args, struct error *err)
{
	return dump(m, args, false, err);
}

static int
run_xp(struct monitor *m, char *args, struct error *err)
{
	return dump(m, args, true, err);
}

static int
run_print(struct monitor *m, char *args, struct error *err)
{
	struct dump_format f = { .how = 'd', .size = 8 };
	const char *at = args;
	uint64_t v;
	bool said;

	if (monitor_format(&f, &at, &said, err) < 0)
		return -err->code;
	if (f.how == 'i')
		return error_set(err, EINVAL, "a value is no instruction");
	if (monitor_value(m, &at, &v, err) < 0)
		return -err->code;
	if (*at)
		return error_set(err, EINVAL, "extraneous characters: '%s'",
		    at);
	/* The peer's default is hexadecimal for 'x' alone. */
	monitor_show_value(m, &f, v);
	return 0;
}

/* A value without blanks: a path behind it is no division. */
static int
word_value(struct monitor *m, char **args, uint64_t *value, struct error *err)
{
	const char *at = next_word(args);

	if (!at)
		return error_set(err, EINVAL, "address and size expected");
	if (monitor_value(m, &at, value, err) < 0)
		return -err->code;
	return *at ? error_set(err, EINVAL, "extraneous characters: '%s'",
	    at) : 0;
}

static int
copy_memory(struct monitor *m, int fd, bool physical, uint64_t addr,
    uint64_t len, struct error *err)
{
	uint8_t buf[4096];

	while (len) {
		/* Whole pages: each may be elsewhere. */
		unsigned n = (unsigned)min64(len, 4096 - (addr & 4095));

		if (!m->c->read(m->c->opaque, m->cpu, physical, addr, buf, n))
			return error_set(err, EFAULT,
			    "cannot access memory at %#" PRIx64, addr);
		for (unsigned done = 0; done < n; ) {
			ssize_t part = write(fd, buf + done, n - done);

			if (part < 0 && errno == EINTR)
				continue;
			if (part <= 0)
				return error_errno(err, errno, "write");
			done += part;
		}
		addr += n;
		len -= n;
	}
	return 0;
}

static int
save(struct monitor *m, char *args, bool physical, struct error *err)
{
	uint64_t addr, len;
	char *file;
	int fd, ret;

	if (word_value(m, &args, &addr, err) < 0 ||
	    word_value(m, &args, &len, err) < 0)
		return -err->code;
	file = next_word(&args);
	if (!file)
		return error_set(err, EINVAL, "filename expected");
	if (no_more(args, err) < 0)
		return -err->code;
	fd = m->c->create(m->c->opaque, file, err);
	if (fd < 0)
		return fd;
	ret = copy_memory(m, fd, physical, addr, len, err);
	if (close(fd) < 0 && ret == 0)
		ret = error_errno(err, errno, "%s", file);
	return ret;
}

static int
run_memsave(struct monitor *m, char *args, struct error *err)
{
	return save(m, args, false, err);
}

static int
run_pmemsave(struct monitor *m, char *args, struct error *err)
{
	return save(m, args, true, err);
}

/* --- Media --------------------------------------------------------------- */

static int
run_eject(struct monitor *m, char *args, struct error *err)
{
	char *word = next_word(&args);
	bool force = word && !strcmp(word, "-f");

	if (force)
		word = next_word(&args);
	if (!word)
		return error_set(err, EINVAL, "eject: device expected");
	if (no_more(args, err) < 0)
		return -err->code;
	if (!m->c->eject)
		return error_set(err, ENOTSUP, "media cannot be changed");
	return m->c->eject(m->c->opaque, word, force, err);
}

static int
run_change(struct monitor *m, char *args, struct error *err)
{
	char *device = next_word(&args), *file = next_word(&args);
	char *format = next_word(&args);

	if (!device || !file)
		return error_set(err, EINVAL,
		    "change: device and filename expected");
	if (no_more(args, err) < 0)
		return -err->code;
	if (!m->c->change)
		return error_set(err, ENOTSUP, "media cannot be changed");
	return m->c->change(m->c->opaque, device, file, format, err);
}

/* --- info ---------------------------------------------------------------- */

static int
info_status(struct monitor *m, char *args, struct error *err)
{
	monitor_print(m, "VM status: %s\n",
	    m->c->running(m->c->opaque) ? "running" : "paused");
	return 0;
}

static int
info_version(struct monitor *m, char *args, struct error *err)
{
	monitor_print(m, "%s\n", m->c->version);
	return 0;
}

static int
info_name(struct monitor *m, char *args, struct error *err)
{
	if (m->c->name)
		monitor_print(m, "%s\n", m->c->name);
	return 0;
}

static int
info_uuid(struct monitor *m, char *args, struct error *err)
{
	const uint8_t *u = m->c->uuid;

	monitor_print(m, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x\n", u[0], u[1], u[2], u[3], u[4], u[5],
	    u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return 0;
}

static int
info_registers(struct monitor *m, char *args, struct error *err)
{
	char *word = next_word(&args);
	unsigned first = m->cpu, last = m->cpu;
	char *end;

	if (word && !strcmp(word, "-a")) {
		first = 0;
		last = m->c->cpus - 1;
	} else if (word) {
		unsigned long n = strtoul(word, &end, 0);

		if (*end || n >= m->c->cpus)
			return error_set(err, EINVAL,
			    "there is no processor '%s'", word);
		first = last = n;
	}
	for (unsigned i = first; i <= last; i++) {
		monitor_print(m, "\nCPU#%u\n", i);
		m->c->registers(m->c->opaque, i, monitor_show_line, m);
	}
	return 0;
}

static void
show(struct monitor *m, enum control_show what)
{
	m->c->show(m->c->opaque, what, monitor_show_line, m);
}

static int
info_block(struct monitor *m, char *args, struct error *err)
{
	show(m, SHOW_BLOCK);
	return 0;
}

static int
info_chardev(struct monitor *m, char *args, struct error *err)
{
	show(m, SHOW_CHARDEV);
	return 0;
}

static int
info_cpus(struct monitor *m, char *args, struct error *err)
{
	show(m, SHOW_CPUS);
	return 0;
}

static int
info_mtree(struct monitor *m, char *args, struct error *err)
{
	show(m, SHOW_MTREE);
	return 0;
}

static int
info_pci(struct monitor *m, char *args, struct error *err)
{
	show(m, SHOW_PCI);
	return 0;
}

static int
info_history(struct monitor *m, char *args, struct error *err)
{
	for (unsigned i = 0; i < m->histories; i++)
		monitor_print(m, "%u: '%s'\n", i, m->history[i]);
	return 0;
}

static const struct command subjects[] = {
	{ "block", NULL, "", "drives and their images", info_block },
	{ "chardev", NULL, "", "character devices", info_chardev },
	{ "cpus", NULL, "", "processors", info_cpus },
	{ "history", NULL, "", "lines entered before", info_history },
	{ "mtree", NULL, "", "memory regions", info_mtree },
	{ "name", NULL, "", "the machine's name", info_name },
	{ "pci", NULL, "", "PCI functions", info_pci },
	{ "registers", NULL, "[-a|cpu]", "registers of one processor or all",
	    info_registers },
	{ "screen", NULL, "", "the text on the screen", info_screen },
	{ "status", NULL, "", "whether the machine runs", info_status },
	{ "uuid", NULL, "", "the machine's UUID", info_uuid },
	{ "version", NULL, "", "the emulator's version", info_version },
};

static void
show_help(struct monitor *m, const char *prefix, const struct command *c)
{
	monitor_print(m, "%s%s%s%s%s%s -- %s\n", prefix, c->name,
	    c->alias ? "|" : "", c->alias ? c->alias : "",
	    *c->args ? " " : "", c->args, c->help);
}

static int
run_info(struct monitor *m, char *args, struct error *err)
{
	char *word = next_word(&args);

	for (unsigned i = 0; i < ARRAY_LEN(subjects); i++) {
		if (!word)
			show_help(m, "info ", &subjects[i]);
		else if (!strcmp(subjects[i].name, word))
			return subjects[i].run(m, skip(args), err);
	}
	if (word)
		monitor_print(m, "unknown command: 'info %s'\n", word);
	return 0;
}

/* --- The table ----------------------------------------------------------- */

static int run_help(struct monitor *, char *, struct error *);

static const struct command commands[] = {
	{ "change", NULL, "device filename [format]",
	    "another medium in a drive", run_change },
	{ "cont", "c", "", "let the machine run", run_cont },
	{ "cpu", NULL, "index", "the processor that x and $reg mean",
	    run_cpu },
	{ "eject", NULL, "[-f] device", "take a medium out (-f: though the "
	    "guest has locked it)", run_eject },
	{ "help", "?", "[cmd]", "show this", run_help },
	{ "info", NULL, "[subject]", "show something about the machine",
	    run_info },
	{ "memsave", NULL, "addr size file",
	    "memory as the processor sees it into a file", run_memsave },
	{ "nmi", NULL, "", "a non-maskable interrupt to all processors",
	    run_nmi },
	{ "pmemsave", NULL, "addr size file", "physical memory into a file",
	    run_pmemsave },
	{ "print", "p", "/fmt expr", "a value; $reg is a register",
	    run_print },
	{ "quit", "q", "", "end the emulator", run_quit },
	{ "screendump", NULL, "filename [-f format]",
	    "the screen as a picture: ppm or png", run_screendump },
	{ "sendkey", NULL, "keys [hold_ms]",
	    "press keys: 'sendkey ctrl-alt-f1'; held for 100 ms",
	    run_sendkey },
	{ "stop", "s", "", "stop the machine", run_stop },
	{ "system_powerdown", NULL, "", "press the power button",
	    run_powerdown },
	{ "system_reset", NULL, "", "press the reset button", run_reset },
	{ "x", NULL, "/fmt addr", "memory as the processor sees it", run_x },
	{ "xp", NULL, "/fmt addr", "physical memory", run_xp },
};

static int
run_help(struct monitor *m, char *args, struct error *err)
{
	char *word = next_word(&args);
	bool found = !word;

	if (word && !strcmp(word, "info"))
		return run_info(m, "", err);
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (word && strcmp(word, c->name) &&
		    (!c->alias || strcmp(word, c->alias)))
			continue;
		show_help(m, "", c);
		found = true;
	}
	if (!found)
		monitor_print(m, "unknown command: '%s'\n", word);
	return 0;
}

const char *
monitor_complete(const char *text, unsigned n)
{
	size_t len = strlen(text);
	bool info = !strncmp(text, "info ", 5);

	for (unsigned i = 0; !info && i < ARRAY_LEN(commands); i++) {
		if (!strncmp(commands[i].name, text, len) && n-- == 0)
			return commands[i].name;
	}
	return NULL;
}

/* The name ends at a blank or, as in "x/8i", at a slash. */
void
monitor_command(struct monitor *m, char *line)
{
	char *name = skip(line), *args = name, saved;
	struct error err;

	while (*args && !isspace((unsigned char)*args) && *args != '/')
		args++;
	if (args == name)
		return;
	saved = *args;
	*args = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (strcmp(name, c->name) &&
		    (!c->alias || strcmp(name, c->alias)))
			continue;
		*args = saved;
		args = skip(args);
		if (!*c->args && *args)
			monitor_print(m, "%s: extraneous characters: '%s'\n",
			    c->name, args);
		else if (c->run(m, args, &err) < 0)
			monitor_print(m, "Error: %s\n", err.text);
		return;
	}
	monitor_print(m, "unknown command: '%s'\n", name);
}
