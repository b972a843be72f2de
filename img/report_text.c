/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_text.c - what info says of an image, for people; the layout is the
 * peer's, since programs read it too */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "img.h"
#include "report.h"

static void put_key(const char *key, FILE *out)
{
	for (; *key; key++)
		putc(*key == '-' ? ' ' : *key, out);
}

static void put_members(const struct report *r, int level, FILE *out)
{
	unsigned i = 0;

	for (const struct report *m = r->first; m; m = m->next, i++) {
		fprintf(out, "%*s", level * 4, "");
		if (m->key)
			put_key(m->key, out);
		else
			fprintf(out, "[%u]", i);
		putc(':', out);
		switch (m->type) {
		case REPORT_OBJECT:
		case REPORT_LIST:
			putc('\n', out);
			put_members(m, level + 1, out);
			continue;
		case REPORT_STR:
			fprintf(out, " %s\n", m->str);
			continue;
		case REPORT_U64:
			fprintf(out, " %" PRIu64 "\n", m->num);
			continue;
		case REPORT_BOOL:
			fprintf(out, " %s\n", m->yes ? "true" : "false");
			continue;
		}
	}
}

static void put_snapshot(const struct snapshot_info *s, FILE *out)
{
	const time_t when = s->date_sec;
	const uint64_t clock = s->clock_nsec / 1000000000;
	char size[SIZE_TEXT], date[32] = "", running[48], icount[24] = "";
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(running, sizeof(running), "%02" PRIu64 ":%02u:%02u.%03u",
	    clock / 3600, (unsigned)(clock / 60 % 60), (unsigned)(clock % 60),
	    (unsigned)(s->clock_nsec / 1000000 % 1000));
	if (s->icount != UINT64_MAX)
		snprintf(icount, sizeof(icount), "%" PRIu64, s->icount);
	fprintf(out, "%-9s %-16s %8s%20s%13s%11s\n", s->id, s->name,
	    size_text(size, s->vm_state_size), date, running, icount);
}

void report_text(const struct img_report *r, FILE *out)
{
	const struct image_info *info = &r->info;
	char size[SIZE_TEXT];

	fprintf(out, "image: %s\nfile format: %s\n"
	    "virtual size: %s (%" PRIu64 " bytes)\n", img_name(r->image),
	    r->image->format->name, size_text(size, info->virtual_size),
	    info->virtual_size);
	fprintf(out, "disk size: %s\n", info->has_actual_size ?
	    size_text(size, info->actual_size) : "unavailable");
	if (info->encrypted)
		fputs("encrypted: yes\n", out);
	if (info->cluster_size)
		fprintf(out, "cluster_size: %" PRIu32 "\n",
		    info->cluster_size);
	if (info->dirty)
		fputs("cleanly shut down: no\n", out);
	if (info->backing) {
		fprintf(out, "backing file: %s", info->backing);
		if (!info->full_backing)
			fputs(" (cannot determine actual path)", out);
		else if (strcmp(info->backing, info->full_backing))
			fprintf(out, " (actual path: %s)",
			    info->full_backing);
		putc('\n', out);
		if (info->backing_format)
			fprintf(out, "backing file format: %s\n",
			    info->backing_format);
	}
	if (info->snapshot_count) {
		fprintf(out, "Snapshot list:\n%-9s %-16s %8s%20s%13s%11s\n",
		    "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
		for (unsigned i = 0; i < info->snapshot_count; i++)
			put_snapshot(&info->snapshots[i], out);
	}
	if (info->specific && info->specific->first) {
		fputs("Format specific information:\n", out);
		put_members(info->specific, 1, out);
	}
}
