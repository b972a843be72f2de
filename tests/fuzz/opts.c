/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opts.c - any text as options, as a json: name, as a size */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct opts *o)
{
	const char *key, *value;
	struct opts *sub;
	struct error err;
	uint64_t n = 0;
	bool b = false;

	for (unsigned i = 0; i < 50 && opts_at(o, i, &key, &value); i++) {
		opts_has_prefix(o, key);
		opts_is_null(o, key);
		if (i % 3 == 0)
			opts_take_bool(o, key, &b, &err);
		else if (i % 3 == 1)
			opts_take_size(o, key, &n, &err);
		else
			opts_take_u64(o, key, &n, &err);
	}
	sub = opts_take_sub(o, "file");
	if (sub)
		opts_unused(sub);
	opts_free(sub);
	opts_take(o, "driver");
	opts_unused(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = malloc(size + 1);
	uint64_t n;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		struct opts *o = opts_new();
		struct error err;
		int rc;

		if (!o)
			return 0;
		rc = i == 2 ? opts_parse_json(o, text, &err) :
		    opts_parse(o, text, i ? "implied" : NULL, &err);
		if (!rc)
			use(o);
		opts_free(o);
	}
	size_parse(text, &n, &(struct error){ 0 });
	return 0;
}
