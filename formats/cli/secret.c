/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secret.c - passwords and keys given by --object secret */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "cli/cli.h"

enum { SECRET_MAX = 64 << 10 };

static char *read_secret(const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0;

	if (!f) {
		error_errno(err, errno, "secret file '%s'", path);
		return NULL;
	}
	text = malloc(SECRET_MAX + 1);
	if (text)
		n = fread(text, 1, SECRET_MAX + 1, f);
	if (!text)
		error_errno(err, ENOMEM, "secret file '%s'", path);
	else if (ferror(f))
		error_errno(err, EIO, "secret file '%s'", path);
	else if (n > SECRET_MAX)
		error_set(err, EFBIG, "secret file '%s' is larger than %d "
		    "bytes", path, SECRET_MAX);
	else if (memchr(text, '\0', n))
		error_set(err, EINVAL, "secret file '%s' contains a zero byte",
		    path);
	else {
		text[n] = '\0';
		fclose(f);
		return text;
	}
	fclose(f);
	free(text);
	return NULL;
}

/* In place; white space between the groups is allowed. */
static int base64_decode(char *text, struct error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0, pad = 0, n = 0;
	char *out = text;

	for (const char *s = text; *s; s++) {
		const char *d = strchr(digits, *s);

		if (strchr(" \t\r\n", *s))
			continue;
		n++;
		if (*s == '=') {
			pad++;
			continue;
		}
		if (!d || pad)
			return error_set(err, EINVAL,
			    "secret is not base64 text");
		bits = bits << 6 | (unsigned)(d - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (char)(bits >> have);
			if (!out[-1])
				return error_set(err, EINVAL,
				    "secret contains a zero byte");
		}
	}
	*out = '\0';
	if (n % 4 || pad > 2)
		return error_set(err, EINVAL, "secret is not base64 text");
	return 0;
}

static int take_secret(struct cli *cli, struct opts *o, struct error *err)
{
	static const char *const formats_known[] = { "raw", "base64", NULL };
	AUTO_FREE char *value = NULL;
	const char *type, *id, *data, *file, *unknown;
	unsigned format = 0;

	type = opts_take(o, "qom-type");
	if (!type || strcmp(type, "secret"))
		return error_set(err, EINVAL,
		    "Parameter 'qom-type' does not accept value '%s'",
		    type ? type : "");
	id = opts_take(o, "id");
	if (!id)
		return error_set(err, EINVAL, "Parameter 'id' is missing");
	data = opts_take(o, "data");
	file = opts_take(o, "file");
	if (opts_take_enum(o, "format", formats_known, &format, err) < 0)
		return -err->code;
	unknown = opts_unused(o);
	if (unknown)
		return error_set(err, EINVAL, "Parameter '%s' is unexpected",
		    unknown);
	if (data && file)
		return error_set(err, EINVAL,
		    "'file' and 'data' are mutually exclusive");
	if (!data && !file)
		return error_set(err, EINVAL,
		    "Either 'file' or 'data' must be provided");
	if (cli->secrets && opts_has(cli->secrets, id))
		return error_set(err, EEXIST, "object '%s' is already defined",
		    id);
	value = file ? read_secret(file, err) : strdup(data);
	if (!value)
		return file ? -err->code : error_errno(err, ENOMEM, "secret");
	if (format == 1 && base64_decode(value, err) < 0)
		return -err->code;
	if (!cli->secrets)
		cli->secrets = opts_new();
	if (!cli->secrets)
		return error_errno(err, ENOMEM, "secret");
	return opts_set(cli->secrets, id, value, err);
}

bool cli_object(struct cli *cli, const char *text)
{
	struct opts *o = opts_new();
	struct error err;
	int ret;

	if (!o)
		ret = error_errno(&err, ENOMEM, "object");
	else if (*text == '{')
		ret = opts_parse_json(o, text, &err);
	else
		ret = opts_parse(o, text, "qom-type", &err);
	if (!ret)
		ret = take_secret(cli, o, &err);
	opts_free(o);
	if (ret < 0)
		cli_error(cli, "%s", err.text);
	return !ret;
}

const char *cli_secret(const struct cli *cli, const char *id)
{
	return cli->secrets ? opts_take(cli->secrets, id) : NULL;
}
