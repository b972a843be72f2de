/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list.c - what another server offers, in the peer's layout
 *
 * All is asked before anything is shown: a server that breaks off is an error,
 * not a shorter list.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "tool.h"

enum {
	LISTED_LIMIT = 10000,		/* exports */
	CONTEXTS_LIMIT = 1024,		/* of one export */
	TEXT_LIMIT = 32 << 20,		/* bytes of all names */
};

struct listed {
	char *name, *description;
	struct export_info info;
};

struct list {
	struct listed *listed;
	unsigned count;
	size_t text;
};

static int grow(void **array, unsigned n, size_t size, struct error *err)
{
	void *more;

	/* 1, 2, 4, ...: when n is a power of two it is full. */
	if (n & (n - 1))
		return 0;
	more = reallocarray(*array, n ? 2 * (size_t)n : 1, size);
	if (!more)
		return error_errno(err, ENOMEM, "list of exports");
	*array = more;
	return 0;
}

static int count_text(struct list *l, size_t n, struct error *err)
{
	l->text += n + 1;
	return l->text > TEXT_LIMIT ? error_set(err, EFBIG,
	    "Server lists more than %d MiB of names", TEXT_LIMIT >> 20) : 0;
}

/* ---- asking */

static int add(struct list *l, const struct answer *a, struct error *err)
{
	struct listed *x;
	uint32_t n;

	if (a->len < 4 || (n = be32_get(*(const be32 *)a->data)) > a->len - 4)
		return error_set(err, EPROTO,
		    "incorrect option name length in a list");
	if (n > NBD_STRING_MAX || a->len - 4 - n > NBD_STRING_MAX)
		return error_set(err, EPROTO, "export name or description is "
		    "longer than %d bytes", NBD_STRING_MAX);
	if (l->count == LISTED_LIMIT)
		return error_set(err, EFBIG, "Server lists more than %d "
		    "exports", LISTED_LIMIT);
	if (count_text(l, a->len, err) || grow((void **)&l->listed, l->count,
	    sizeof(*l->listed), err))
		return -err->code;
	x = &l->listed[l->count];
	*x = (struct listed){ .name = strndup((const char *)a->data + 4, n) };
	if (!x->name)
		return error_errno(err, ENOMEM, "list of exports");
	l->count++;
	if (a->len == 4 + n)
		return 0;
	x->description = strdup((const char *)a->data + 4 + n);
	return x->description ? 0 : error_errno(err, ENOMEM,
	    "list of exports");
}

static int ask_list(struct client *c, struct list *l, struct error *err)
{
	struct answer a;

	if (client_ask(c, NBD_OPT_LIST, NULL, 0, err) < 0)
		return -err->code;
	for (;;) {
		if (client_answer(c, NBD_OPT_LIST, &a, err) < 0)
			return -err->code;
		if (a.type == NBD_REP_ACK)
			return 0;
		if (a.type == NBD_REP_ERR_UNSUP)
			return error_set(err, ENOTSUP,
			    "Server does not support export lists");
		if (a.type != NBD_REP_SERVER)
			return client_refused(NBD_OPT_LIST, &a, err);
		if (add(l, &a, err) < 0)
			return -err->code;
	}
}

static int ask_contexts(struct client *c, struct list *l, struct listed *x,
    struct error *err)
{
	const size_t n = strlen(x->name);
	uint8_t ask[4 + NBD_STRING_MAX + 4];
	struct export_info *e = &x->info;
	struct answer a;

	be32_put((be32 *)ask, (uint32_t)n);
	memcpy(ask + 4, x->name, n);
	be32_put((be32 *)(ask + 4 + n), 0);	/* no query: all there are */
	if (client_ask(c, NBD_OPT_LIST_META_CONTEXT, ask, 4 + n + 4, err) < 0)
		return -err->code;
	for (;;) {
		if (client_answer(c, NBD_OPT_LIST_META_CONTEXT, &a, err) < 0)
			return -err->code;
		/* Who has none may not know the option. */
		if (a.type == NBD_REP_ACK || a.type & NBD_REP_FLAG_ERROR)
			return 0;
		if (a.type != NBD_REP_META_CONTEXT || a.len < 4 ||
		    e->context_count == CONTEXTS_LIMIT)
			return error_set(err, EPROTO,
			    "bad list of meta contexts");
		if (count_text(l, a.len, err) || grow((void **)&e->contexts,
		    e->context_count, sizeof(*e->contexts), err))
			return -err->code;
		e->contexts[e->context_count] = strdup((char *)a.data + 4);
		if (!e->contexts[e->context_count])
			return error_errno(err, ENOMEM, "list of contexts");
		e->context_count++;
	}
}

static int ask_one(struct client *c, struct list *l, struct listed *x,
    struct error *err)
{
	if (client_info(c, NBD_OPT_INFO, x->name, &x->info, err) < 0)
		return -err->code;
	if (x->info.description && count_text(l,
	    strlen(x->info.description), err))
		return -err->code;
	return c->structured ? ask_contexts(c, l, x, err) : 0;
}

static int ask_all(struct client *c, struct list *l, struct error *err)
{
	if (c->oldstyle) {
		l->listed = calloc(1, sizeof(*l->listed));
		if (!l->listed || !(l->listed->name = strdup("")))
			return error_errno(err, ENOMEM, "list of exports");
		l->listed->info.size = c->size;
		l->listed->info.flags = c->flags;
		l->count = 1;
		return 0;
	}
	if (!c->fixed)
		return error_set(err, ENOTSUP,
		    "Server does not support export lists");
	if (ask_list(c, l, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < l->count; i++)
		if (ask_one(c, l, &l->listed[i], err) < 0)
			return -err->code;
	return 0;
}

/* ---- showing */

/* Names are the server's: what would move a terminal's cursor is not let
 * through, but for the line ends the peer shows. */
static void show_text(const char *text, FILE *out)
{
	for (; *text; text++) {
		const unsigned char ch = (unsigned char)*text;

		if ((ch < ' ' && ch != '\n' && ch != '\t') || ch == 127)
			fprintf(out, "\\x%02x", ch);
		else
			putc(ch, out);
	}
}

static void show_flags(uint32_t flags, FILE *out)
{
	static const char *const names[] = { NULL, "readonly", "flush", "fua",
	    "rotational", "trim", "zeroes", "df", "multi", "resize", "cache",
	    "fast-zero", "block-status-payload" };

	if (!(flags & NBD_FLAG_HAS_FLAGS))
		return;
	fprintf(out, "  flags: %#" PRIx32 " (", flags);
	for (unsigned i = 1; i < ARRAY_LEN(names); i++)
		if (flags & 1u << i)
			fprintf(out, " %s", names[i]);
	fputs(" )\n", out);
}

static void show(const struct listed *x, FILE *out)
{
	const struct export_info *e = &x->info;
	const char *about = x->description ? x->description : e->description;

	fputs(" export: '", out);
	show_text(x->name, out);
	fputs("'\n", out);
	if (about && *about) {
		fputs("  description: ", out);
		show_text(about, out);
		putc('\n', out);
	}
	fprintf(out, "  size:  %" PRIu64 "\n", e->size);
	show_flags(e->flags, out);
	if (e->min) {
		fprintf(out, "  min block: %" PRIu32 "\n", e->min);
		fprintf(out, "  opt block: %" PRIu32 "\n", e->preferred);
		fprintf(out, "  max block: %" PRIu32 "\n", e->max);
	}
	if (!e->context_count)
		return;
	fprintf(out, "  available meta contexts: %u\n", e->context_count);
	for (unsigned i = 0; i < e->context_count; i++) {
		fputs("   ", out);
		show_text(e->contexts[i], out);
		putc('\n', out);
	}
}

void list_show(const struct list *l, FILE *out)
{
	fprintf(out, "exports available: %u\n", l->count);
	for (unsigned i = 0; i < l->count; i++)
		show(&l->listed[i], out);
}

void list_free(struct list *l)
{
	if (!l)
		return;
	while (l->count) {
		struct listed *x = &l->listed[--l->count];

		free(x->name);
		free(x->description);
		export_info_fini(&x->info);
	}
	free(l->listed);
	free(l);
}

struct list *list_ask(int fd, struct tls *tls, const char *hostname,
    struct error *err)
{
	struct list *l = calloc(1, sizeof(*l));
	struct client client;

	if (!l) {
		error_errno(err, ENOMEM, "list of exports");
		return NULL;
	}
	if (!client_begin(&client, fd, tls, hostname, true, err) &&
	    !ask_all(&client, l, err)) {
		client_end(&client);
		return l;
	}
	conn_fini(&client.conn);
	list_free(l);
	return NULL;
}
