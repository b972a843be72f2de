/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modes.c - the peers' words for how an image is opened, and what they mean */
#include "modes.h"

#include <string.h>

#include "base/bytes.h"

bool mode_cache(const char *word, struct open_args *args)
{
	static const struct {
		const char *word;
		bool direct, no_sync, writethrough;
	} modes[] = {
		{ "writeback", false, false, false },
		{ "none", true, false, false },
		{ "off", true, false, false },
		{ "writethrough", false, false, true },
		{ "directsync", true, false, true },
		{ "unsafe", false, true, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(word, modes[i].word)) {
			args->direct = modes[i].direct;
			args->no_sync = modes[i].no_sync;
			args->writethrough = modes[i].writethrough;
			return true;
		}
	return false;
}

bool mode_aio(const char *word, enum file_aio *aio)
{
	if (!strcmp(word, "threads"))
		*aio = AIO_THREADS;
	else if (!strcmp(word, "native"))
		*aio = AIO_NATIVE;
	else if (!strcmp(word, "io_uring"))
		*aio = AIO_URING;
	else
		return false;
	return true;
}

bool mode_discard(const char *word, bool *unmap)
{
	if (!strcmp(word, "unmap") || !strcmp(word, "on"))
		*unmap = true;
	else if (!strcmp(word, "ignore") || !strcmp(word, "off"))
		*unmap = false;
	else
		return false;
	return true;
}

bool mode_detect_zeroes(const char *word, enum detect_zeroes *detect)
{
	if (!strcmp(word, "off"))
		*detect = DETECT_OFF;
	else if (!strcmp(word, "on"))
		*detect = DETECT_ON;
	else if (!strcmp(word, "unmap"))
		*detect = DETECT_UNMAP;
	else
		return false;
	return true;
}
