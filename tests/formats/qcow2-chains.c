/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2-chains.c - layers: how many, how long, which clusters, and loops */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "support/guest.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)

static void create(const char *name, uint64_t size, const char *cluster,
    const char *backing)
{
	struct image_create_args a = { .name = name,
	    .format = format_find("qcow2"), .size = size,
	    .options = opts_new(), .unchecked_backing = true };

	OK(opts_set(a.options, "cluster_size", cluster, &err));
	if (backing) {
		OK(opts_set(a.options, "backing_file", backing, &err));
		OK(opts_set(a.options, "backing_fmt", "qcow2", &err));
	}
	OK(image_create(&a, NULL, &err));
	opts_free(a.options);
}

static struct image *open_it(const char *name, bool writable)
{
	struct open_args a = { .format = "qcow2", .writable = writable };

	return image_open(name, &a, &err);
}

static void fill(const char *name, uint64_t off, uint64_t len, uint64_t seq)
{
	struct image *img = open_it(name, true);
	uint8_t *buf = malloc(len);

	CU_ASSERT_FATAL(img && buf);
	guest_pattern(buf, off, len, seq, false);
	OK(image_write(img, buf, len, off, 0, &err));
	OK(image_close(img, &err));
	free(buf);
}

static const char *layer(char name[16], unsigned n)
{
	snprintf(name, 16, "layer%u", n);
	return name;
}

static void two_hundred_layers_and_no_more(void)
{
	uint8_t want[512], got[512];
	char name[16], under[16];
	struct image *img;

	for (unsigned i = 1; i <= 201; i++)
		create(layer(name, i), 1 << 20, "4k", i > 1 ?
		    layer(under, i - 1) : NULL);
	fill("layer1", 8192, 512, 1);
	img = open_it("layer200", false);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	OK(image_read(img, got, 512, 8192, &err));
	guest_pattern(want, 8192, 512, 1, false);
	CU_ASSERT_EQUAL(memcmp(got, want, 512), 0);
	OK(image_close(img, &err));
	CU_ASSERT_PTR_NULL(open_it("layer201", false));
	CU_ASSERT_EQUAL(err.code, EMLINK);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "200 layers"));
}

static void a_loop_is_named(void)
{
	create("self", 1 << 20, "4k", "self2");
	create("self2", 1 << 20, "4k", "self3");
	create("self3", 1 << 20, "4k", "self");
	CU_ASSERT_PTR_NULL(open_it("self", false));
	CU_ASSERT_EQUAL(err.code, ELOOP);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "loop"));
	create("own", 1 << 20, "4k", "./own");
	CU_ASSERT_PTR_NULL(open_it("own", false));
	CU_ASSERT_EQUAL(err.code, ELOOP);
	/* By another name it is still the same file. */
	create("hard", 1 << 20, "4k", "link");
	CU_ASSERT_EQUAL_FATAL(link("hard", "link"), 0);
	CU_ASSERT_PTR_NULL(open_it("hard", false));
	CU_ASSERT_EQUAL(err.code, ELOOP);
}

/* Sizes that are multiples of nothing, clusters of all sizes, the middle
 * layer the shortest. */
static void clusters_and_lengths_differ(void)
{
	static const struct {
		const char *name, *cluster;
		uint64_t size, off, len;
	} layers[] = {
		{ "bottom", "512", 900 * 1024 + 512, 1000, 800000 },
		{ "short", "64k", 300 * 1024 + 1536, 70000, 3000 },
		{ "middle", "4k", 2 << 20, 290 * 1024, 100000 },
		{ "top", "2M", (5 << 20) + 512, 310 * 1024, 5 },
	};
	uint64_t size = layers[3].size;
	uint8_t *want = calloc(1, size), *got = malloc(size);
	struct image *img;

	CU_ASSERT_FATAL(want && got);
	for (unsigned i = 0; i < ARRAY_LEN(layers); i++) {
		create(layers[i].name, layers[i].size, layers[i].cluster,
		    i ? layers[i - 1].name : NULL);
		fill(layers[i].name, layers[i].off, layers[i].len, i + 1);
		if (i && layers[i - 1].size < layers[i].size)
			memset(want + layers[i - 1].size, 0,
			    layers[i].size - layers[i - 1].size);
		guest_pattern(want + layers[i].off, layers[i].off,
		    layers[i].len, i + 1, false);
	}
	img = open_it("top", true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(img);
	OK(image_read(img, got, size, 0, &err));
	CU_ASSERT_EQUAL(memcmp(got, want, size), 0);
	/* Copying up a large cluster takes from all of them. */
	guest_pattern(want + 3000, 3000, 100, 9, false);
	OK(image_write(img, want + 3000, 100, 3000, 0, &err));
	guest_pattern(want + size - 700, size - 700, 700, 9, false);
	OK(image_write(img, want + size - 700, 700, size - 700, 0, &err));
	OK(image_zero(img, 305 * 1024, 10000, 0, &err));
	memset(want + 305 * 1024, 0, 10000);
	OK(image_read(img, got, size, 0, &err));
	CU_ASSERT_EQUAL(memcmp(got, want, size), 0);
	OK(image_close(img, &err));
	free(want);
	free(got);
}

static void growing_does_not_show_what_is_below(void)
{
	struct image *img;
	uint8_t got[8192];

	create("long", 1 << 20, "64k", NULL);
	fill("long", 0, 1 << 20, 1);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const clusters[] = { "512", "4k", "64k" };

		create("over", 100 * 1024, clusters[i], "long");
		img = open_it("over", true);
		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		OK(image_resize(img, 3 << 20, NULL, &err));
		OK(image_close(img, &err));
		img = open_it("over", false);
		CU_ASSERT_PTR_NOT_NULL_FATAL(img);
		for (uint64_t off = 100 * 1024; off < 3 << 20; off += 8192) {
			OK(image_read(img, got, min64(8192, (3 << 20) - off),
			    off, &err));
			CU_ASSERT_FATAL(bytes_are_zero(got, 8192));
		}
		OK(image_read(img, got, 512, 99 * 1024, &err));
		CU_ASSERT_FALSE(bytes_are_zero(got, 512));
		OK(image_close(img, &err));
	}
}

static const struct unit_test tests[] = {
	{ "200 layers open, 201 do not", two_hundred_layers_and_no_more },
	{ "a loop is an error that says so", a_loop_is_named },
	{ "clusters and lengths differ", clusters_and_lengths_differ },
	{ "growing an overlay shows zeros",
	    growing_does_not_show_what_is_below },
	{ 0 }
};

int main(void)
{
	return unit_run("qcow2 chains", tests);
}
