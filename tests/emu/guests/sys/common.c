/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common.c - words on port 0xe9, counts, and the end */
#include <stdarg.h>

#include "trial.h"

struct state seen;
bool (*on_trap)(struct state *);
static unsigned cases, failed;

void
outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("out %0, %1" : : "a"(v), "Nd"(port));
}

uint8_t
inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("in %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

void *
memcpy(void *to, const void *from, unsigned long n)
{
	char *t = to;
	const char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

void *
memset(void *to, int v, unsigned long n)
{
	char *t = to;

	while (n--)
		*t++ = v;
	return to;
}

static void
number(word v, unsigned base)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		outb(0xe9, digits[--n]);
}

void
say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			outb(0xe9, *fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			for (const char *s = va_arg(args, char *); *s; s++)
				outb(0xe9, *s);
			break;
		case 'd': number(va_arg(args, unsigned), 10); break;
		case 'x': number(va_arg(args, unsigned), 16); break;
		case 'X': number(va_arg(args, word), 16); break;
		}
	}
	va_end(args);
}

void
check(const char *name, word got, word want)
{
	cases++;
	if (got == want) {
		say("%s ok\n", name);
		return;
	}
	failed++;
	say("%s FAIL got %X want %X\n", name, got, want);
}

void
check_raised(const char *name, unsigned vector, unsigned error)
{
	cases++;
	if (seen.vector == vector && seen.error == error) {
		say("%s ok\n", name);
		return;
	}
	failed++;
	say("%s FAIL got %x(%X) at %X want %x(%x)\n", name,
	    (unsigned)seen.vector, seen.error, seen.ip, vector, error);
}

void
finish(void)
{
	say("done %d %d\n", cases, failed);
	outb(0xf4, failed ? 1 : 0x10);
	for (;;)
		__asm__ volatile("cli; hlt");
}

bool
trial(const struct state *s)
{
	trial_enter(s);
	return seen.vector == DONE;
}

/* From trial.S: true to go on, else trial_enter() returns. */
bool
caught(struct state *s)
{
	word cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	s->cr2 = cr2;
	if (s->vector != DONE && on_trap && on_trap(s))
		return true;
	seen = *s;
	return false;
}
