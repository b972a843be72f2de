/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-lock.c - who may open a file while somebody has it */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)
#define SAYS(part) CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part))

static const struct file_args reader = { 0 };
static const struct file_args writer = { .writable = true };
static const struct file_args maker = { .create = true };
static const struct file_args sharer = { .share = true };
static const struct file_args bold = { .writable = true, .no_lock = true };

static struct store *get(const struct file_args *args)
{
	struct store *s = file_open("image", args, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void let_go(struct store *s)
{
	OK(store_close(s, &err));
}

static bool refused(const struct file_args *args)
{
	struct store *s = file_open("image", args, &err);

	if (s)
		let_go(s);
	return !s && err.code == EAGAIN;
}

static void fresh(void)
{
	struct store *s;

	unlink("image");
	s = get(&maker);
	OK(store_pwrite(s, "text", 4, 0, EVENT_DATA, &err));
	let_go(s);
}

static void a_writer_is_alone(void)
{
	struct store *s;

	fresh();
	s = get(&writer);
	CU_ASSERT(refused(&reader));
	SAYS("Failed to get shared \"write\" lock");
	CU_ASSERT(refused(&writer));
	SAYS("Failed to get \"write\" lock");
	CU_ASSERT(!refused(&sharer));
	CU_ASSERT(!refused(&bold));
	let_go(s);
	CU_ASSERT(!refused(&writer));
}

static void readers_share(void)
{
	struct store *a, *b;

	fresh();
	a = get(&reader);
	b = get(&reader);
	CU_ASSERT(refused(&writer));
	SAYS("Failed to get \"write\" lock");
	let_go(a);
	CU_ASSERT(refused(&writer));
	let_go(b);
	CU_ASSERT(!refused(&writer));
	/* -U refuses nothing */
	a = get(&sharer);
	CU_ASSERT(!refused(&writer));
	let_go(a);
}

static void a_file_in_use_is_not_emptied(void)
{
	struct store *s;
	char buf[4];

	fresh();
	s = get(&reader);
	CU_ASSERT(refused(&maker));
	CU_ASSERT_EQUAL(store_size(s), 4);
	OK(store_pread(s, buf, 4, 0, EVENT_DATA, &err));
	CU_ASSERT_EQUAL(memcmp(buf, "text", 4), 0);
	let_go(s);
}

static void a_new_file_is_locked(void)
{
	struct store *s;

	unlink("image");
	s = get(&maker);
	CU_ASSERT(refused(&reader));
	CU_ASSERT(refused(&maker));
	let_go(s);
}

static void the_refusal_names_the_holder(void)
{
	struct store *s;
	char want[64];
	int status;
	pid_t child;

	fresh();
	s = get(&writer);
	CU_ASSERT(refused(&writer));
	SAYS("\" lock: this command itself has it open");
	snprintf(want, sizeof(want), "\" lock: in use by store-lock (pid %d)",
	    (int)getpid());
	child = fork();
	if (child == 0)
		_exit(!refused(&writer) || !strstr(err.text, want));
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL(status, 0);
	let_go(s);
}

static void sharing_is_for_reading(void)
{
	struct file_args args = { .share = true, .writable = true };

	fresh();
	CU_ASSERT_PTR_NULL(file_open("image", &args, &err));
	CU_ASSERT_EQUAL(err.code, EINVAL);
}

/* The bytes as the peers have them: 100 + bit held, 200 + bit refused. */
static bool locked(int byte)
{
	struct flock fl = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte,
		.l_len = 1,
	};
	int fd = open("image", O_RDWR);

	CU_ASSERT_EQUAL(fcntl(fd, F_OFD_GETLK, &fl), 0);
	close(fd);
	return fl.l_type != F_UNLCK;
}

static void check_bytes(const struct file_args *args, const char *want)
{
	struct store *s = get(args);
	char got[9];

	for (int i = 0; i < 8; i++)
		got[i] = locked(i < 4 ? 100 + i : 196 + i) ? '1' : '0';
	got[8] = '\0';
	CU_ASSERT_STRING_EQUAL(got, want);
	let_go(s);
}

static void the_bytes_are_the_peers(void)
{
	fresh();
	check_bytes(&writer, "11010101");
	check_bytes(&maker, "11010101");
	check_bytes(&reader, "10000101");
	check_bytes(&sharer, "10000000");
	check_bytes(&bold, "00000000");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a writer is alone", a_writer_is_alone },
		{ "readers share", readers_share },
		{ "a file in use is not emptied",
		    a_file_in_use_is_not_emptied },
		{ "a new file is locked", a_new_file_is_locked },
		{ "the refusal names the holder",
		    the_refusal_names_the_holder },
		{ "sharing is for reading", sharing_is_for_reading },
		{ "the bytes are the peers'", the_bytes_are_the_peers },
		{ NULL, NULL }
	};

	return unit_run("image locks", tests);
}
