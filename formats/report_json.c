/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_json.c - what info says of an image, for programs */
#include "base/json.h"
#include "image.h"
#include "report.h"

static void put_report(const struct report *r, const char *key,
    struct json *j)
{
	switch (r->type) {
	case REPORT_OBJECT:
	case REPORT_LIST:
		if (r->type == REPORT_OBJECT)
			json_object(j, key);
		else
			json_list(j, key);
		for (const struct report *m = r->first; m; m = m->next)
			put_report(m, m->key, j);
		json_close(j, r->type == REPORT_OBJECT ? '}' : ']');
		return;
	case REPORT_STR:
		json_str(j, key, r->str);
		return;
	case REPORT_U64:
		json_u64(j, key, r->num);
		return;
	case REPORT_BOOL:
		json_bool(j, key, r->yes);
		return;
	}
}

static void put_snapshots(const struct image_info *info, struct json *j)
{
	json_list(j, "snapshots");
	for (unsigned i = 0; i < info->snapshot_count; i++) {
		const struct snapshot_info *s = &info->snapshots[i];

		json_object(j, NULL);
		if (s->icount != UINT64_MAX)
			json_u64(j, "icount", s->icount);
		json_u64(j, "vm-clock-nsec", s->clock_nsec % 1000000000);
		json_str(j, "name", s->name);
		json_u64(j, "date-sec", s->date_sec);
		json_u64(j, "date-nsec", s->date_nsec);
		json_u64(j, "vm-clock-sec", s->clock_nsec / 1000000000);
		json_str(j, "id", s->id);
		json_u64(j, "vm-state-size", s->vm_state_size);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* A file of the image, as upstream shows its nodes since 8.0. */
static void put_file(struct store *store, const char *name, struct json *j)
{
	struct store_stat st;
	struct error err;
	const bool known = !store_stat(store, &st, &err);

	json_object(j, NULL);
	json_str(j, "name", name);
	json_object(j, "info");
	json_list(j, "children");
	json_close(j, ']');
	json_u64(j, "virtual-size", align_up(store_size(store), 512));
	json_str(j, "filename", store->name);
	json_str(j, "format", known && st.block_device ? "host_device" :
	    store->ops->name);
	if (known && st.allocated != STORE_UNKNOWN)
		json_u64(j, "actual-size", st.allocated);
	json_object(j, "format-specific");
	json_str(j, "type", store->ops->name);
	json_object(j, "data");
	json_close(j, '}');
	json_close(j, '}');
	json_bool(j, "dirty-flag", false);
	json_close(j, '}');
	json_close(j, '}');
}

void report_json(const struct image *img, const struct image_info *info,
    const char *name, bool children, struct json *j)
{
	json_object(j, NULL);
	if (children) {
		json_list(j, "children");
		for (unsigned i = 0; i < img->store_count; i++)
			put_file(img->stores[i], i ? "data-file" : "file", j);
		json_close(j, ']');
	}
	if (info->backing_format)
		json_str(j, "backing-filename-format", info->backing_format);
	if (info->snapshot_count)
		put_snapshots(info, j);
	json_u64(j, "virtual-size", info->virtual_size);
	json_str(j, "filename", name);
	if (info->cluster_size)
		json_u64(j, "cluster-size", info->cluster_size);
	json_str(j, "format", img->format->name);
	if (info->has_actual_size)
		json_u64(j, "actual-size", info->actual_size);
	if (info->specific && info->specific->first) {
		json_object(j, "format-specific");
		json_str(j, "type", img->format->name);
		put_report(info->specific, "data", j);
		json_close(j, '}');
	}
	if (info->full_backing)
		json_str(j, "full-backing-filename", info->full_backing);
	if (info->encrypted)
		json_bool(j, "encrypted", true);
	if (info->packed)
		json_bool(j, "compressed", true);
	if (info->backing)
		json_str(j, "backing-filename", info->backing);
	json_bool(j, "dirty-flag", info->dirty);
	json_close(j, '}');
}
