/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options_board.c - options about the board itself */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "cpu/model.h"
#include "options_impl.h"

/* --- Memory and processors -------------------------------------------------------- */

int
take_memory(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = parse_opts(p, value, "size", err);
	const char *text;
	char *end;

	if (!o)
		return -err->code;
	text = opts_take(o, "size");
	if (all_taken(o, err) < 0)
		return -err->code;
	if (!text)
		return error_set(err, EINVAL, "no size");
	/* A number alone is in MiB. */
	p->c->ram = strtoull(text, &end, 10);
	if (end != text && !*end) {
		if (*text == '-' || !mul_ok(p->c->ram, MIB, &p->c->ram))
			return error_set(err, ERANGE, "too large");
	} else if (size_parse(text, &p->c->ram, err) < 0) {
		return -err->code;
	}
	if (p->c->ram < MIB || p->c->ram > 64 * GIB || p->c->ram % MIB)
		return error_set(err, EINVAL, "memory is from 1 MiB to 64 "
		    "GiB, whole MiB");
	return 0;
}

int
take_cpus(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = parse_opts(p, value, "cpus", err);
	uint64_t n = 0, max = 0, each[4] = { 1, 1, 1, 1 }, product;
	bool all, said;

	if (!o)
		return -err->code;
	said = opts_has(o, "cpus");
	all = opts_has(o, "sockets") && opts_has(o, "cores") &&
	    opts_has(o, "threads");
	if (opts_take_u64(o, "cpus", &n, err) < 0 ||
	    opts_take_u64(o, "sockets", &each[0], err) < 0 ||
	    opts_take_u64(o, "dies", &each[3], err) < 0 ||
	    opts_take_u64(o, "cores", &each[1], err) < 0 ||
	    opts_take_u64(o, "threads", &each[2], err) < 0 ||
	    opts_take_u64(o, "maxcpus", &max, err) < 0 ||
	    all_taken(o, err) < 0)
		return -err->code;
	if (!mul_ok(each[0], each[1], &product) ||
	    !mul_ok(product, each[2], &product) ||
	    !mul_ok(product, each[3], &product))
		product = 0;
	if (!said)
		n = max ? max : product;
	if (n < 1 || n > CPU_MAX)
		return error_set(err, EINVAL, "a machine has 1 to %d "
		    "processors", CPU_MAX);
	if (max && max != n)
		return error_set(err, EINVAL, "maxcpus=%llu: processors "
		    "cannot be added later", (unsigned long long)max);
	/* What is not said follows from the rest. */
	if (!product || n % product || (all && product != n))
		return error_set(err, EINVAL, "sockets, cores and threads "
		    "make %llu processors, not %llu",
		    (unsigned long long)product, (unsigned long long)n);
	p->c->cpus = n;
	return 0;
}

static void
print_line(void *opaque, const char *text)
{
	puts(text);
}

int
take_model(struct parser *p, const char *value, struct error *err)
{
	struct cpu_model *m;

	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		cpu_model_help(print_line, NULL);
		p->done = true;
		return 0;
	}
	/* It is checked here, where the option is known. */
	p->c->model = value;
	if (!strncmp(value, "host", 4) && (!value[4] || value[4] == ','))
		value = keep_text(p, "max", value + 4, err);
	m = value ? cpu_model_new(value, 1, err) : NULL;
	if (!m)
		return -err->code;
	cpu_model_free(m);
	return 0;
}

/* One word of a list. */
static int
accel_of(const char *word, size_t len, enum accel *a, struct error *err)
{
	static const struct { const char *name; enum accel a; } names[] = {
		{ "interp", ACCEL_INTERP }, { "tcg", ACCEL_INTERP },
		{ "kvm", ACCEL_KVM },
	};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strlen(names[i].name) == len &&
		    !memcmp(names[i].name, word, len)) {
			*a = names[i].a;
			return 0;
		}
	}
	return error_set(err, EINVAL, "accelerator '%.*s' is not supported: "
	    "interp (or tcg) and kvm are", (int)len, word);
}

/* "kvm:tcg": the first that works. */
static int
set_accel(struct parser *p, const char *list, struct error *err)
{
	enum accel a = ACCEL_INTERP, first = ACCEL_INTERP;
	bool other = false;

	for (unsigned i = 0; ; i++) {
		size_t len = strcspn(list, ":");

		if (accel_of(list, len, &a, err) < 0)
			return -err->code;
		if (i == 0)
			first = a;
		other |= i && a != first;
		if (!list[len])
			break;
		list += len + 1;
	}
	p->c->accel = first;
	p->c->accel_fallback = first == ACCEL_KVM && other;
	return 0;
}

int
take_accel(struct parser *p, const char *value, struct error *err)
{
	struct opts *o;
	const char *name, *threads;
	enum accel first = p->c->accel;
	bool probe = true;

	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		puts("Accelerators supported:\ninterp\nkvm\ntcg (another name "
		    "of interp)");
		p->done = true;
		return 0;
	}
	o = parse_opts(p, value, "accel", err);
	if (!o)
		return -err->code;
	name = opts_take(o, "accel");
	threads = opts_take(o, "thread");
	if (threads && strcmp(threads, "multi"))
		return error_set(err, ENOTSUP, "thread=%s is not supported: "
		    "each processor has a thread", threads);
	if (opts_take_bool(o, "probe", &probe, err) < 0 ||
	    all_taken(o, err) < 0)
		return -err->code;
	if (!name)
		return error_set(err, EINVAL, "no accelerator is named");
	p->c->kvm_unprobed |= !probe;
	if (set_accel(p, name, err) < 0)
		return -err->code;
	/* Said again: what comes later is for when the first does not work. */
	if (p->accel_said && first == ACCEL_KVM) {
		p->c->accel_fallback = p->c->accel != ACCEL_KVM;
		p->c->accel = first;
	}
	p->accel_said = true;
	return 0;
}

int
take_kvm(struct parser *p, const char *value, struct error *err)
{
	return set_accel(p, "kvm", err);
}

/* A machine's property that must be off since there is no such thing. */
static int
must_be_off(struct opts *o, const char *key, struct error *err)
{
	const char *v = opts_take(o, key);

	if (v && strcmp(v, "off") && strcmp(v, "auto"))
		return error_set(err, ENOTSUP, "%s=%s is not supported", key,
		    v);
	return 0;
}

int
take_machine(struct parser *p, const char *value, struct error *err)
{
	bool acpi = !p->c->no_acpi, hpet = !p->c->no_hpet,
	    graphics = !p->c->no_graphic;
	const char *type, *accel, *text;
	struct opts *o;

	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		puts("Supported machines are:\n"
		    "pc                   PC (i440FX + PIIX3) (default)");
		p->done = true;
		return 0;
	}
	o = parse_opts(p, value, "type", err);
	if (!o)
		return -err->code;
	type = opts_take(o, "type");
	accel = opts_take(o, "accel");
	if ((text = opts_take(o, "kernel")))
		p->c->load.kernel = text;
	if ((text = opts_take(o, "initrd")))
		p->c->load.initrd = text;
	if ((text = opts_take(o, "append")))
		p->c->load.append = text;
	if ((text = opts_take(o, "firmware")))
		p->c->bios = text;
	if (opts_take_bool(o, "acpi", &acpi, err) < 0 ||
	    opts_take_bool(o, "hpet", &hpet, err) < 0 ||
	    opts_take_bool(o, "graphics", &graphics, err) < 0 ||
	    must_be_off(o, "smm", err) < 0 || must_be_off(o, "usb", err) < 0 ||
	    must_be_off(o, "vmport", err) < 0 || all_taken(o, err) < 0)
		return -err->code;
	p->c->no_acpi = !acpi;
	p->c->no_hpet = !hpet;
	p->c->no_graphic = !graphics;
	if (type && strcmp(type, "pc"))
		return error_set(err, ENOTSUP, "machine '%s' is not "
		    "supported: pc is", type);
	return accel ? set_accel(p, accel, err) : 0;
}

/* --- Start -------------------------------------------------------------------------- */

static int
take_order(struct opts *o, const char *key, char to[4], struct error *err)
{
	const char *order = opts_take(o, key);

	if (!order)
		return 0;
	if (!*order || strlen(order) > 3 ||
	    strspn(order, "acdn") != strlen(order))
		return error_set(err, EINVAL, "%s=%s: up to three of a, c, d, "
		    "n", key, order);
	strcpy(to, order);
	return 0;
}

int
take_boot(struct parser *p, const char *value, struct error *err)
{
	struct machine_config *c = p->c;
	struct opts *o = parse_opts(p, value, "order", err);
	unsigned ms;
	int64_t retry;
	const char *text;
	char *end;

	if (!o)
		return -err->code;
	if (take_order(o, "order", c->boot_order, err) < 0 ||
	    take_order(o, "once", c->boot_once, err) < 0 ||
	    opts_take_bool(o, "menu", &c->boot_menu, err) < 0 ||
	    must_be_off(o, "strict", err) < 0)
		return -err->code;
	if (opts_has(o, "splash-time")) {
		if (take_number(o, "splash-time", 0, 0xffff, &ms, err) < 0)
			return -err->code;
		c->boot_menu_ms = ms;
	}
	text = opts_take(o, "reboot-timeout");
	if (text) {
		retry = strtoll(text, &end, 10);
		if (end == text || *end || retry < -1 || retry > 0xffff)
			return error_set(err, EINVAL, "reboot-timeout=%s: "
			    "milliseconds up to 65535, or -1", text);
		c->reboot_ms = retry;
	}
	return all_taken(o, err);
}

/* "2006-06-17T16:01:21" or "2006-06-17". */
static bool
parse_date(const char *text, int64_t *t)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!end || *end) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (!end || *end)
		return false;
	*t = timegm(&tm);
	return true;
}

int
take_rtc(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = parse_opts(p, value, "base", err);
	const char *base, *clock, *drift;
	struct machine_config *c = p->c;
	time_t now = time(NULL);
	struct tm tm;

	if (!o)
		return -err->code;
	base = opts_take(o, "base");
	clock = opts_take(o, "clock");
	drift = opts_take(o, "driftfix");
	if (all_taken(o, err) < 0)
		return -err->code;
	if (drift && strcmp(drift, "none"))
		return error_set(err, ENOTSUP, "driftfix=%s is not supported",
		    drift);
	c->rtc_start = now;
	if (base && !strcmp(base, "localtime")) {
		localtime_r(&now, &tm);
		c->rtc_start = now + tm.tm_gmtoff;
	} else if (base && strcmp(base, "utc") &&
	    !parse_date(base, &c->rtc_start)) {
		return error_set(err, EINVAL, "base=%s: utc, localtime or a "
		    "date as 2006-06-17T16:01:21", base);
	}
	if (clock && strcmp(clock, "host") && strcmp(clock, "rt") &&
	    strcmp(clock, "vm"))
		return error_set(err, EINVAL, "clock=%s: host, rt and vm are "
		    "known", clock);
	c->rtc_host = !clock || strcmp(clock, "vm");
	return 0;
}

/* --- Who it is, how it shows --------------------------------------------------------- */

int
take_name(struct parser *p, const char *value, struct error *err)
{
	struct opts *o = parse_opts(p, value, "guest", err);

	if (!o)
		return -err->code;
	p->c->name = opts_take(o, "guest");
	return all_taken(o, err);
}

int
take_uuid(struct parser *p, const char *value, struct error *err)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	unsigned n = 0, digit;

	if (strlen(value) != strlen(form))
		goto bad;
	for (unsigned i = 0; form[i]; i++) {
		if (form[i] == '-') {
			if (value[i] != '-')
				goto bad;
			continue;
		}
		if (sscanf((char[2]){ value[i] }, "%1x", &digit) != 1)
			goto bad;
		p->c->uuid[n / 2] = p->c->uuid[n / 2] << 4 | digit;
		n++;
	}
	p->c->has_uuid = true;
	return 0;
bad:
	return error_set(err, EINVAL, "no UUID: its form is %s", form);
}

int
take_display(struct parser *p, const char *value, struct error *err)
{
	if (!strcmp(value, "help") || !strcmp(value, "?")) {
		puts("Available display backend types:\nnone\ncurses");
		p->done = true;
	} else if (!strcmp(value, "none")) {
		p->c->display = DISPLAY_NONE;
	} else if (!strcmp(value, "curses")) {
		p->c->display = DISPLAY_CURSES;
	} else {
		return error_set(err, ENOTSUP, "display '%s' is not "
		    "supported: none and curses are", value);
	}
	p->display = true;
	return 0;
}

int
take_vga(struct parser *p, const char *value, struct error *err)
{
	if (strcmp(value, "std") && strcmp(value, "none"))
		return error_set(err, ENOTSUP, "graphics adapter '%s' is not "
		    "supported: std and none are", value);
	p->c->vga = !strcmp(value, "std");
	p->vga = true;
	return 0;
}

int
take_sandbox(struct parser *p, const char *value, struct error *err)
{
	/* The peers' finer words: all of them are denied here. */
	static const char *const denied[] = { "obsolete",
		"elevateprivileges", "spawn", "resourcecontrol" };
	struct opts *o = parse_opts(p, value, "enable", err);
	bool on = true;

	if (!o || opts_take_bool(o, "enable", &on, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < ARRAY_LEN(denied); i++) {
		const char *v = opts_take(o, denied[i]);

		if (v && strcmp(v, "deny"))
			return error_set(err, ENOTSUP, "%s=%s is not "
			    "supported: it is denied", denied[i], v);
	}
	p->c->no_sandbox = !on;
	p->c->sandbox_asked = on;
	p->c->sandbox_dir = opts_take(o, "dir");
	return all_taken(o, err);
}
