/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_dump.c - expressions, formats, and memory as text
 *
 * Expressions are whole numbers of 64 bits with + - * / % & | ^ ~ and
 * parentheses; $NAME is a register.  As with the peer the bit operations bind
 * tighter than + and -, and * / % tighter still.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "ctl/monitor_impl.h"

enum { DUMP_MAX = 1 << 16, DEPTH_MAX = 64, INSN_MAX = 15 };

/* --- Expressions --------------------------------------------------------- */

struct expr {
	struct monitor *m;
	const char *at;
	unsigned depth;
	struct error *err;
};

static int sum(struct expr *, uint64_t *);

static void
skip(struct expr *e)
{
	while (isspace((unsigned char)*e->at))
		e->at++;
}

static int
reg(struct expr *e, uint64_t *v)
{
	char name[16];
	unsigned n = 0;

	for (e->at++; isalnum((unsigned char)*e->at); e->at++)
		if (n + 1 < sizeof(name))
			name[n++] = tolower((unsigned char)*e->at);
	name[n] = '\0';
	if (!e->m->c->get || !e->m->c->get(e->m->c->opaque, e->m->cpu, name, v))
		return error_set(e->err, EINVAL, "unknown register '$%s'",
		    name);
	return 0;
}

static int
number(struct expr *e, uint64_t *v)
{
	char *end;

	if (!*e->at)
		return error_set(e->err, EINVAL,
		    "unexpected end of expression");
	if (!isdigit((unsigned char)*e->at))
		return error_set(e->err, EINVAL,
		    "invalid char '%c' in expression", *e->at);
	errno = 0;
	*v = strtoull(e->at, &end, 0);
	if (errno == ERANGE)
		return error_set(e->err, ERANGE, "number too large");
	e->at = end;
	return 0;
}

static int
unary(struct expr *e, uint64_t *v)
{
	int ret;
	char c;

	skip(e);
	c = *e->at;
	if (c == '$')
		return reg(e, v);
	if (c == '\'' && e->at[1] && e->at[2] == '\'') {
		*v = (unsigned char)e->at[1];
		e->at += 3;
		return 0;
	}
	if (c != '+' && c != '-' && c != '~' && c != '(')
		return number(e, v);
	if (++e->depth > DEPTH_MAX)
		return error_set(e->err, EINVAL, "expression too deep");
	e->at++;
	ret = c == '(' ? sum(e, v) : unary(e, v);
	e->depth--;
	if (ret < 0)
		return ret;
	if (c == '-')
		*v = -*v;
	else if (c == '~')
		*v = ~*v;
	else if (c == '(') {
		skip(e);
		if (*e->at != ')')
			return error_set(e->err, EINVAL, "')' expected");
		e->at++;
	}
	return 0;
}

static int
product(struct expr *e, uint64_t *v)
{
	uint64_t right;
	char op;

	if (unary(e, v) < 0)
		return -e->err->code;
	for (;;) {
		skip(e);
		op = *e->at;
		if (op != '*' && op != '/' && op != '%')
			return 0;
		e->at++;
		if (unary(e, &right) < 0)
			return -e->err->code;
		if (op == '*')
			*v *= right;
		else if (!right)
			return error_set(e->err, EINVAL, "division by zero");
		else
			*v = op == '/' ? *v / right : *v % right;
	}
}

static int
bits(struct expr *e, uint64_t *v)
{
	uint64_t right;
	char op;

	if (product(e, v) < 0)
		return -e->err->code;
	for (;;) {
		skip(e);
		op = *e->at;
		if (op != '&' && op != '|' && op != '^')
			return 0;
		e->at++;
		if (product(e, &right) < 0)
			return -e->err->code;
		*v = op == '&' ? *v & right : op == '|' ? *v | right :
		    *v ^ right;
	}
}

static int
sum(struct expr *e, uint64_t *v)
{
	uint64_t right;
	char op;

	if (bits(e, v) < 0)
		return -e->err->code;
	for (;;) {
		skip(e);
		op = *e->at;
		if (op != '+' && op != '-')
			return 0;
		e->at++;
		if (bits(e, &right) < 0)
			return -e->err->code;
		*v = op == '+' ? *v + right : *v - right;
	}
}

int
monitor_value(struct monitor *m, const char **text, uint64_t *value,
    struct error *err)
{
	struct expr e = { .m = m, .at = *text, .err = err };

	if (sum(&e, value) < 0)
		return -err->code;
	skip(&e);
	*text = e.at;
	return 0;
}

/* --- Formats ------------------------------------------------------------- */

int
monitor_format(struct dump_format *f, const char **text, bool *said,
    struct error *err)
{
	const char *at = *text;
	unsigned size = 0;

	*said = false;
	f->count = 1;
	while (isspace((unsigned char)*at))
		at++;
	if (*at != '/') {
		*text = at;
		return 0;
	}
	*said = true;
	at++;
	if (isdigit((unsigned char)*at)) {
		char *end;
		unsigned long n = strtoul(at, &end, 10);

		if (n > DUMP_MAX)
			return error_set(err, ERANGE, "at most %d items",
			    DUMP_MAX);
		f->count = n;
		at = end;
	}
	for (; *at && !isspace((unsigned char)*at); at++) {
		switch (*at) {
		case 'x': case 'd': case 'u': case 'o': case 'c': case 'i':
			f->how = *at;
			break;
		case 'b':
			size = 1;
			break;
		case 'h':
			size = 2;
			break;
		case 'w':
			size = 4;
			break;
		case 'g':
		case 'L':
			size = 8;
			break;
		default:
			return error_set(err, EINVAL,
			    "invalid char in format: '%c'", *at);
		}
	}
	if (size)
		f->size = size;
	else if (f->how == 'c')
		f->size = 1;
	*text = at;
	return 0;
}

/* --- Values -------------------------------------------------------------- */

static void
char_text(char text[32], unsigned char c)
{
	static const char from[] = "\n\r\t\\'", to[] = "nrt\\'";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		snprintf(text, 32, "'\\%c'", to[at - from]);
	else if (c >= 32 && c <= 126)
		snprintf(text, 32, "'%c'", c);
	else
		snprintf(text, 32, "'\\x%02x'", c);
}

static int64_t
as_signed(uint64_t v, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (int64_t)(v << shift) >> shift;
}

/* Columns are as wide as the widest value. */
static void
item_text(char text[32], const struct dump_format *f, uint64_t v)
{
	static const unsigned char digits[] = { 3, 5, 10, 20 };
	static const unsigned char octal[] = { 3, 6, 11, 22 };
	unsigned log = (unsigned)__builtin_ctz(f->size);

	switch (f->how) {
	case 'd':
		snprintf(text, 32, "%*" PRId64, digits[log] + 1,
		    as_signed(v, f->size));
		break;
	case 'u':
		snprintf(text, 32, "%*" PRIu64, digits[log], v);
		break;
	case 'o':
		snprintf(text, 32, "%#*" PRIo64, octal[log], v);
		break;
	case 'c':
		char_text(text, v);
		break;
	default:
		snprintf(text, 32, "0x%0*" PRIx64, (int)(2 * f->size), v);
	}
}

void
monitor_show_value(struct monitor *m, const struct dump_format *f,
    uint64_t v)
{
	char text[32];

	switch (f->how) {
	case 'x':
		monitor_print(m, "%#" PRIx64 "\n", v);
		break;
	case 'u':
		monitor_print(m, "%" PRIu64 "\n", v);
		break;
	case 'o':
		monitor_print(m, "%#" PRIo64 "\n", v);
		break;
	case 'c':
		char_text(text, v);
		monitor_print(m, "%s\n", text);
		break;
	default:
		monitor_print(m, "%" PRId64 "\n", (int64_t)v);
	}
}

/* --- Memory -------------------------------------------------------------- */

static int
unreadable(struct error *err, uint64_t addr)
{
	return error_set(err, EFAULT, "cannot access memory at %#" PRIx64,
	    addr);
}

static int
dump_code(struct monitor *m, unsigned count, bool physical, uint64_t addr,
    struct error *err)
{
	const struct control *c = m->c;

	while (count--) {
		uint8_t b[INSN_MAX];
		char text[160], hex[3 * INSN_MAX + 1] = "";
		unsigned n = INSN_MAX, len;

		/* It may end where memory does. */
		while (n && !c->read(c->opaque, m->cpu, physical, addr, b, n))
			n--;
		len = n ? c->disassemble(c->opaque, m->cpu, addr, b, n, text,
		    sizeof(text)) : 0;
		if (!len)
			return unreadable(err, addr);
		for (unsigned i = 0; i < len && i < n; i++)
			snprintf(hex + 3 * i, 4, "%02x ", b[i]);
		monitor_print(m, "0x%08" PRIx64 ":  %-24s %s\n", addr, hex,
		    text);
		addr += len;
	}
	return 0;
}

int
monitor_dump(struct monitor *m, const struct dump_format *f, bool physical,
    uint64_t addr, struct error *err)
{
	const struct control *c = m->c;
	unsigned each = f->how == 'c' || f->size == 1 ? 8 : 16 / f->size;
	unsigned left = f->count;

	if (f->how == 'i')
		return dump_code(m, left, physical, addr, err);
	while (left) {
		unsigned n = (unsigned)min64(left, each);
		char line[512], text[32];
		int at = snprintf(line, sizeof(line), "%016" PRIx64 ":", addr);

		for (unsigned i = 0; i < n; i++, addr += f->size) {
			uint8_t b[8] = { 0 };
			uint64_t v = 0;

			if (!c->read(c->opaque, m->cpu, physical, addr, b,
			    f->size)) {
				if (i)
					monitor_print(m, "%s\n", line);
				return unreadable(err, addr);
			}
			for (unsigned k = 0; k < f->size; k++)
				v |= (uint64_t)b[k] << 8 * k;
			item_text(text, f, v);
			at += snprintf(line + at, sizeof(line) - at, " %s",
			    text);
		}
		monitor_print(m, "%s\n", line);
		left -= n;
	}
	return 0;
}
