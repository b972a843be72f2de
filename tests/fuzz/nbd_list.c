/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_list.c - a hostile server, against the client of cowbird-nbd -L
 *
 * The input is all the server says, in one piece; then it closes.  It is cut
 * off where the client's questions might fill the socket.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../nbd/tool.h"

enum { INPUT_LIMIT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct list *list;
	struct error err;
	int pair[2];

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (size > INPUT_LIMIT || !nowhere ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 0;
	if (send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size &&
	    !shutdown(pair[1], SHUT_WR)) {
		list = list_ask(pair[0], NULL, NULL, &err);
		if (list)
			list_show(list, nowhere);
		list_free(list);
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}
