/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_drive.c - -drive, -blockdev and what is short for them
 *
 * A drive is a node (what to open and how: the library's own options) and,
 * for -drive, a place.  Lines are kept as they come and opened when all has
 * been read: so a mistake later on the command line leaves nothing behind,
 * and -blockdev may name nodes of other -blockdev options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image.h"
#include "modes.h"
#include "options_impl.h"

static struct drive_line *
new_line(struct parser *p, const char *text, struct error *err)
{
	struct drive_line *l = &p->line[p->lines];

	if (p->lines == MACHINE_DRIVES) {
		error_set(err, EINVAL, "more than %d drives", MACHINE_DRIVES);
		return NULL;
	}
	*l = (struct drive_line){ .option = p->name, .text = text };
	p->lines++;
	return l;
}

int
take_drive(struct parser *p, const char *value, struct error *err)
{
	struct drive_line *l = new_line(p, value, err);

	if (!l)
		return -err->code;
	l->o = keep_opts(p, err);
	return l->o ? opts_parse(l->o, value, NULL, err) : -err->code;
}

int
take_blockdev(struct parser *p, const char *value, struct error *err)
{
	struct drive_line *l = new_line(p, value, err);

	if (!l)
		return -err->code;
	l->node = true;
	l->o = parse_opts(p, value, NULL, err);
	if (!l->o)
		return -err->code;
	if (!opts_has(l->o, "driver"))
		return error_set(err, EINVAL, "no driver=");
	if (!opts_has(l->o, "node-name"))
		return error_set(err, EINVAL, "no node-name=");
	return 0;
}

/* -hda FILE and others: what they are short for; FILE may have commas. */
static int
short_drive(struct parser *p, const char *path, const char *text,
    struct error *err)
{
	struct drive_line *l = new_line(p, path, err);

	if (!l)
		return -err->code;
	l->o = keep_opts(p, err);
	if (!l->o || opts_parse(l->o, text, NULL, err) < 0 ||
	    opts_set(l->o, "file", path, err) < 0)
		return -err->code;
	return 0;
}

int
take_disk(struct parser *p, const char *value, struct error *err)
{
	char text[32] = "if=ide,index=0";

	text[13] += p->name[2] - 'a';
	return short_drive(p, value, text, err);
}

int
take_cdrom(struct parser *p, const char *value, struct error *err)
{
	return short_drive(p, value, "if=ide,index=2,media=cdrom", err);
}

int
take_floppy(struct parser *p, const char *value, struct error *err)
{
	char text[32] = "if=floppy,index=0";

	text[16] += p->name[2] - 'a';
	return short_drive(p, value, text, err);
}

/* --- Places ------------------------------------------------------------------------ */

bool
place_taken(const struct machine_config *c, enum drive_bus bus,
    unsigned index)
{
	for (unsigned i = 0; i < c->drives; i++) {
		if (c->drive[i].bus == bus && c->drive[i].index == index)
			return true;
	}
	return false;
}

struct machine_drive *
find_drive(struct parser *p, const char *id)
{
	for (unsigned i = 0; i < p->c->drives; i++) {
		if (p->c->drive[i].id && !strcmp(p->c->drive[i].id, id))
			return &p->c->drive[i];
	}
	return NULL;
}

static int
drive_place(struct parser *p, struct opts *o, struct machine_drive *d,
    struct error *err)
{
	static const char *const media[] = { "disk", "cdrom", NULL };
	static const struct { const char *name; unsigned n, per_bus; } bus[] = {
		[DRIVE_NONE] = { "none", 0, 1 },
		[DRIVE_IDE] = { "ide", 4, 2 },
		[DRIVE_FLOPPY] = { "floppy", 2, 2 },
		[DRIVE_VIRTIO] = { "virtio", MACHINE_DRIVES, 1 },
	};
	const char *name = opts_take(o, "if");
	unsigned medium = 0, n = DRIVE_IDE, first, second = 0;
	uint64_t index = UINT64_MAX, number = UINT64_MAX, unit = UINT64_MAX;

	if (name) {
		for (n = 0; n < ARRAY_LEN(bus) && strcmp(name, bus[n].name);)
			n++;
		if (n == ARRAY_LEN(bus))
			return error_set(err, EINVAL, "if=%s is not supported:"
			    " ide, virtio, floppy and none are", name);
	}
	if (opts_take_enum(o, "media", media, &medium, err) < 0 ||
	    opts_take_u64(o, "index", &index, err) < 0 ||
	    opts_take_u64(o, "bus", &number, err) < 0 ||
	    opts_take_u64(o, "unit", &unit, err) < 0)
		return -err->code;
	d->bus = n;
	d->cd = medium == 1;
	if (n == DRIVE_NONE)
		return 0;
	if (index != UINT64_MAX && (number & unit) != UINT64_MAX)
		return error_set(err, EINVAL,
		    "index cannot be used with bus and unit");
	if ((number & unit) != UINT64_MAX) {
		number = number == UINT64_MAX ? 0 : number;
		unit = unit == UINT64_MAX ? 0 : unit;
		if (unit >= bus[n].per_bus || number >= bus[n].n)
			return error_set(err, EINVAL, "no bus %llu, unit %llu "
			    "for if=%s", (unsigned long long)number,
			    (unsigned long long)unit, bus[n].name);
		index = number * bus[n].per_bus + unit;
	}
	if (index == UINT64_MAX) {
		/* A CD-ROM's first choice is the secondary master. */
		first = d->cd && n == DRIVE_IDE ? 2 : 0;
		while (second < bus[n].n && place_taken(p->c, n,
		    (first + second) % bus[n].n))
			second++;
		if (second == bus[n].n)
			return error_set(err, EINVAL, "no place is left for "
			    "another drive on if=%s", bus[n].name);
		index = (first + second) % bus[n].n;
	}
	if (index >= bus[n].n)
		return error_set(err, EINVAL, "index=%llu: if=%s has places 0 "
		    "to %u", (unsigned long long)index, bus[n].name,
		    bus[n].n - 1);
	if (place_taken(p->c, n, index))
		return error_set(err, EINVAL, "there is a drive at index %llu "
		    "of if=%s already", (unsigned long long)index,
		    bus[n].name);
	d->index = index;
	return 0;
}

/* --- Nodes ------------------------------------------------------------------------- */

static struct drive_line *
find_node(struct parser *p, const char *name)
{
	for (unsigned i = 0; i < p->lines; i++) {
		const char *id = p->line[i].node ?
		    opts_get(p->line[i].o, "node-name") : NULL;

		if (id && !strcmp(id, name))
			return &p->line[i];
	}
	return NULL;
}

/* What the guest's side of a node says means nothing below another. */
static bool
is_of_the_top(const char *key)
{
	return !strcmp(key, "node-name") || !strcmp(key, "discard") ||
	    !strcmp(key, "detect-zeroes");
}

/* Adds the node's options to "to", names of other nodes as their options. */
static int
flatten(struct parser *p, struct opts *to, const char *prefix,
    struct drive_line *l, unsigned depth, struct error *err)
{
	const char *k, *v;
	char key[256];

	for (unsigned i = 0; opts_at(l->o, i, &k, &v); i++) {
		struct drive_line *under;

		snprintf(key, sizeof(key) - 1, "%s%s", prefix, k);
		if (v && (!strcmp(k, "file") || !strcmp(k, "backing"))) {
			under = find_node(p, v);
			if (!under)
				return error_set(err, EINVAL,
				    "%s=%s: there is no such node", k, v);
			if (depth == 8)
				return error_set(err, ELOOP,
				    "%s=%s: too deep", k, v);
			strcat(key, ".");
			if (strlen(key) > 128)
				return error_set(err, E2BIG, "%s: too long",
				    k);
			if (flatten(p, to, key, under, depth + 1, err) < 0)
				return -err->code;
		} else if (!depth || !is_of_the_top(k)) {
			if (opts_set(to, key, v, err) < 0)
				return -err->code;
		}
	}
	return 0;
}

static int
open_node(struct parser *p, struct drive_line *l, struct error *err)
{
	struct machine_drive *d = &p->c->drive[p->c->drives];
	struct open_args args = { .policy = p->cli.peer ? POLICY_PEER :
	    POLICY_OWN, .objects = p->cli.objects };
	const char *discard = opts_get(l->o, "discard");

	*d = (struct machine_drive){ .boot_index = -1,
		.slot = MACHINE_ANY_SLOT, .id = opts_get(l->o, "node-name") };
	if (opts_has(l->o, "read-only")) {
		const char *text = opts_get(l->o, "read-only");

		d->read_only = text && !strcmp(text, "on");
	}
	if (discard && !mode_discard(discard, &d->discard))
		return error_set(err, EINVAL, "discard=%s is not known",
		    discard);
	if (find_drive(p, d->id))
		return error_set(err, EINVAL, "there is a drive '%s' already",
		    d->id);
	args.options = keep_opts(p, err);
	if (!args.options || flatten(p, args.options, "", l, 0, err) < 0)
		return -err->code;
	args.writable = !d->read_only;
	d->image = image_open(NULL, &args, err);
	if (!d->image)
		return -err->code;
	d->file = d->image->name ? d->image->name : d->id;
	p->c->drives++;
	return 0;
}

/* --- Drives ------------------------------------------------------------------------ */

/* What to do about errors: they are told to the guest. */
static int
error_policy(struct opts *o, const char *key, struct error *err)
{
	const char *v = opts_take(o, key);

	if (v && strcmp(v, "report") && strcmp(v, "auto"))
		return error_set(err, ENOTSUP, "%s=%s is not supported: errors "
		    "are reported to the guest", key, v);
	return 0;
}

static int
drive_modes(struct parser *p, struct opts *o, struct machine_drive *d,
    struct open_args *args, bool *snapshot, struct error *err)
{
	const char *cache = opts_take(o, "cache"),
	    *discard = opts_take(o, "discard"),
	    *detect = opts_take(o, "detect-zeroes"),
	    *aio = opts_take(o, "aio");

	if (opts_take_bool(o, "readonly", &d->read_only, err) < 0 ||
	    opts_take_bool(o, "read-only", &d->read_only, err) < 0 ||
	    opts_take_bool(o, "snapshot", snapshot, err) < 0 ||
	    opts_take_bool(o, "copy-on-read", &args->copy_on_read, err) < 0 ||
	    error_policy(o, "werror", err) < 0 ||
	    error_policy(o, "rerror", err) < 0)
		return -err->code;
	if (cache && !mode_cache(cache, args))
		return error_set(err, EINVAL, "cache=%s: none, writeback, "
		    "writethrough, directsync and unsafe are known", cache);
	if (discard && !mode_discard(discard, &d->discard))
		return error_set(err, EINVAL, "discard=%s: ignore (off) and "
		    "unmap (on) are known", discard);
	if (detect && !mode_detect_zeroes(detect, &args->detect_zeroes))
		return error_set(err, EINVAL, "detect-zeroes=%s: off, on and "
		    "unmap are known", detect);
	if (aio && !mode_aio(aio, &args->aio))
		return error_set(err, EINVAL, "aio=%s: threads, native and "
		    "io_uring are known", aio);
	args->unmap = d->discard;
	return 0;
}

static int
open_drive(struct parser *p, struct drive_line *l, struct error *err)
{
	struct machine_drive *d = &p->c->drive[p->c->drives];
	struct open_args args = { .policy = p->cli.peer ? POLICY_PEER :
	    POLICY_OWN, .objects = p->cli.objects };
	bool snapshot = p->snapshot;
	struct opts *o = l->o;
	const char *file;

	*d = (struct machine_drive){ .boot_index = -1,
		.slot = MACHINE_ANY_SLOT };
	if (drive_place(p, o, d, err) < 0)
		return -err->code;
	d->read_only = d->cd;
	file = opts_has_prefix(o, "file.") ? NULL : opts_take(o, "file");
	args.format = opts_take(o, "format");
	d->id = opts_take(o, "id");
	d->serial = opts_take(o, "serial");
	if (d->id && find_drive(p, d->id))
		return error_set(err, EINVAL, "there is a drive '%s' already",
		    d->id);
	if (drive_modes(p, o, d, &args, &snapshot, err) < 0)
		return -err->code;
	d->file = file;
	if (!file && !opts_has_prefix(o, "file") && !opts_has(o, "driver")) {
		if (all_taken(o, err) < 0)
			return -err->code;
		if (!d->cd && d->bus != DRIVE_FLOPPY && d->bus != DRIVE_NONE)
			return error_set(err, EINVAL, "a disk needs file=");
		p->c->drives++;
		return 0;
	}
	if (d->bus == DRIVE_IDE && !d->cd && d->read_only)
		return error_set(err, EINVAL, "an IDE disk cannot be "
		    "read-only: virtio can, and snapshot=on keeps writes off");
	args.writable = !d->read_only && !snapshot;
	args.options = o;
	d->image = image_open(file, &args, err);
	if (!d->image)
		return -err->code;
	if (args.writable && d->image->probed)
		cli_error(&p->cli, "%s: warning: guessed to be raw, so its "
		    "first sector takes no image header; format=raw says it "
		    "is", file ? file : l->text);
	if (snapshot && !d->read_only)
		d->image = cli_open_overlay(d->image, true, err);
	if (!d->image)
		return -err->code;
	p->c->drives++;
	return 0;
}

/* Which nodes lie below others. */
static void
mark_used(struct parser *p)
{
	const char *k, *v;

	for (unsigned i = 0; i < p->lines; i++) {
		for (unsigned j = 0; p->line[i].node &&
		    opts_at(p->line[i].o, j, &k, &v); j++) {
			struct drive_line *under = NULL;

			if (v && (!strcmp(k, "file") || !strcmp(k, "backing")))
				under = find_node(p, v);
			if (under)
				under->used = true;
		}
	}
}

int
open_drives(struct parser *p, struct error *err)
{
	mark_used(p);
	for (unsigned i = 0; i < p->lines; i++) {
		struct drive_line *l = &p->line[i];

		if (l->node && l->used)
			continue;
		p->what = l->option;
		p->value = l->text;
		if ((l->node ? open_node : open_drive)(p, l, err) < 0)
			return -err->code;
	}
	p->what = NULL;
	return 0;
}
