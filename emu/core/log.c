/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - what the machine does, for people who look for a fault */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static const struct {
	const char *name, *help;
	unsigned item;
} items[] = {
	{ "in_asm", "code, as it is decoded", LOG_IN_ASM },
	{ "int", "exceptions and interrupts", LOG_INT },
	{ "cpu_reset", "registers before a reset", LOG_CPU_RESET },
	{ "guest_errors", "what the guest does against the rules",
	    LOG_GUEST_ERRORS },
};

unsigned log_items;
static FILE *to;

void
log_help(void)
{
	puts("Log items (comma separated):");
	for (unsigned i = 0; i < ARRAY_LEN(items); i++)
		printf("%-15s %s\n", items[i].name, items[i].help);
}

static int
add_item(const char *word, size_t len, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_LEN(items); i++) {
		if (strlen(items[i].name) == len &&
		    !memcmp(items[i].name, word, len)) {
			log_items |= items[i].item;
			return 0;
		}
	}
	return error_set(err, ENOTSUP, "log item '%.*s' is not supported: "
	    "help lists those that are", (int)len, word);
}

int
log_start(const char *list, const char *path, struct error *err)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (add_item(list, len, err) < 0)
			return -err->code;
		list += len;
		list += *list == ',';
	}
	to = path ? fopen(path, "we") : stderr;
	if (!to)
		return error_errno(err, errno, "log '%s'", path);
	setvbuf(to, NULL, _IOLBF, 0);
	return 0;
}

void
log_line(const char *fmt, ...)
{
	va_list ap;

	if (!to)
		return;
	flockfile(to);
	va_start(ap, fmt);
	vfprintf(to, fmt, ap);
	va_end(ap);
	putc('\n', to);
	funlockfile(to);
}
