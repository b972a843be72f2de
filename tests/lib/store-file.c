/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-file.c - files as stores: opening, both ways of I/O, space, size */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/store.h"
#include "support/unit.h"

static struct error err;

#define OK(call) CU_ASSERT_EQUAL_FATAL(call, 0)
#define SAYS(part) CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part))

static struct store *make(bool direct)
{
	struct file_args args = { .create = true, .direct = direct };
	struct store *s;

	unlink("image");
	s = file_open("image", &args, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void end(struct store *s)
{
	OK(store_close(s, &err));
}

static uint64_t length_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? UINT64_MAX : (uint64_t)st.st_size;
}

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int refused(const char *path, struct file_args args)
{
	struct store *s = file_open(path, &args, &err);

	if (!s)
		return err.code;
	store_close(s, &err);
	return 0;
}

/* ---- reading and writing */

static void past_the_end_are_zeros(void)
{
	for (int direct = 0; direct < 2; direct++) {
		struct store *s = make(direct);
		char buf[2000];

		OK(store_pwrite(s, "abc", 3, 0, EVENT_DATA, &err));
		memset(buf, 'x', sizeof(buf));
		OK(store_pread(s, buf, sizeof(buf), 1, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(memcmp(buf, "bc", 2), 0);
		CU_ASSERT(bytes_are_zero(buf + 2, sizeof(buf) - 2));
		memset(buf, 'x', sizeof(buf));
		OK(store_pread(s, buf, sizeof(buf), TIB, EVENT_DATA, &err));
		CU_ASSERT(bytes_are_zero(buf, sizeof(buf)));
		end(s);
	}
}

static void a_write_grows_by_what_was_written(void)
{
	for (int direct = 0; direct < 2; direct++) {
		struct store *s = make(direct);
		char buf[10000];

		memset(buf, 'x', sizeof(buf));
		OK(store_pwrite(s, buf, 1, 0, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(length_of("image"), 1);
		OK(store_pwrite(s, buf, 9999, 4095, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(length_of("image"), 4095 + 9999);
		OK(store_pwrite(s, buf, 10, 14000, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(length_of("image"), 4095 + 9999);
		CU_ASSERT_EQUAL(store_size(s), 4095 + 9999);
		end(s);
	}
}

/* Any sequence of calls leaves what a store in memory has. */
static void same_as_memory(bool direct)
{
	enum { AREA = 400000, MOST = 70000 };
	static char a[MOST], b[MOST];
	struct store *s = make(direct), *m = memory_open(0, &err);
	unsigned seed = 7;

	for (int i = 0; i < 3000; i++) {
		size_t len = (size_t)rand_r(&seed) % (i % 10 ? 9000 : MOST);
		uint64_t off = (uint64_t)rand_r(&seed) % AREA;
		unsigned flags = (unsigned)rand_r(&seed) % 2;

		if (i % 4 == 0) {
			off = align_down(off, 512);
			len = align_down(len, 512);
		}
		switch (rand_r(&seed) % 8) {
		case 0: case 1: case 2:
			for (size_t k = 0; k < len; k++)
				a[k] = (char)rand_r(&seed);
			OK(store_pwrite(s, a, len, off, EVENT_DATA, &err));
			OK(store_pwrite(m, a, len, off, EVENT_DATA, &err));
			break;
		case 3:
			OK(store_zero(s, off, len, flags, &err));
			OK(store_zero(m, off, len, flags, &err));
			break;
		case 4:
			OK(store_punch(s, off, len, &err));
			OK(store_punch(m, off, len, &err));
			break;
		case 5:
			if (i % 9)
				break;
			OK(store_resize(s, off, PREALLOC_OFF, &err));
			OK(store_resize(m, off, PREALLOC_OFF, &err));
			break;
		default:
			OK(store_pread(s, a, len, off, EVENT_DATA, &err));
			OK(store_pread(m, b, len, off, EVENT_DATA, &err));
			CU_ASSERT_EQUAL_FATAL(memcmp(a, b, len), 0);
		}
		CU_ASSERT_EQUAL_FATAL(store_size(s), store_size(m));
	}
	CU_ASSERT_EQUAL(length_of("image"), store_size(m));
	OK(store_sync(s, &err));
	end(s);
	end(m);
}

static void any_sequence_agrees_with_memory(void)
{
	same_as_memory(false);
}

static void any_sequence_agrees_with_memory_direct(void)
{
	same_as_memory(true);
}

static void more_pieces_than_one_call_takes(void)
{
	enum { N = IOV_MAX + 300, PIECE = 3 };
	static char out[N * PIECE], in[N * PIECE];
	static struct iovec iov[N];

	for (int i = 0; i < N * PIECE; i++)
		out[i] = (char)(i * 31);
	for (int direct = 0; direct < 2; direct++) {
		struct store *s = make(direct);

		for (int i = 0; i < N; i++)
			iov[i] = (struct iovec){ out + i * PIECE, PIECE };
		OK(store_pwritev(s, iov, N, 77, EVENT_DATA, &err));
		memset(in, 0, sizeof(in));
		for (int i = 0; i < N; i++)
			iov[i] = (struct iovec){ in + i * PIECE, PIECE };
		OK(store_preadv(s, iov, N, 77, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
		end(s);
	}
}

static void no_offset_is_too_large_to_be_refused(void)
{
	struct store *s = make(false);
	char c = 1;

	CU_ASSERT_EQUAL(store_pread(s, &c, 1, SIZE_LIMIT, EVENT_DATA, &err),
	    -EFBIG);
	CU_ASSERT_EQUAL(store_pwrite(s, &c, 1, UINT64_MAX, EVENT_DATA, &err),
	    -EFBIG);
	CU_ASSERT_EQUAL(store_zero(s, 1, UINT64_MAX, 0, &err), -EFBIG);
	CU_ASSERT_EQUAL(store_punch(s, UINT64_MAX, 2, &err), -EFBIG);
	CU_ASSERT_EQUAL(store_resize(s, SIZE_LIMIT + 1, PREALLOC_OFF, &err),
	    -EFBIG);
	CU_ASSERT_EQUAL(store_size(s), 0);
	end(s);
}

static void a_full_disk_does_not_spoil_later_flushes(void)
{
	struct rlimit old, small;
	struct store *s = make(false);
	char buf[8192] = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL(store_pwrite(s, buf, sizeof(buf), 0, EVENT_DATA, &err),
	    -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	/* What did get written counts. */
	CU_ASSERT_EQUAL(store_size(s), 4096);
	CU_ASSERT(atomic_load(&s->dirty));
	OK(store_sync(s, &err));
	CU_ASSERT(!atomic_load(&s->dirty));
	end(s);
}

/* ---- space */

static void holes_are_seen_made_and_filled(void)
{
	struct store *s = make(false);
	struct store_stat st;
	uint64_t run;
	bool data;

	OK(store_resize(s, 4 * MIB, PREALLOC_OFF, &err));
	OK(store_extent(s, 0, 4 * MIB, &data, &run, &err));
	CU_ASSERT(!data);
	CU_ASSERT_EQUAL(run, 4 * MIB);
	OK(store_pwrite(s, "x", 1, MIB, EVENT_DATA, &err));
	OK(store_extent(s, 0, 4 * MIB, &data, &run, &err));
	CU_ASSERT(!data);
	CU_ASSERT_EQUAL(run, MIB);
	OK(store_extent(s, MIB, 10, &data, &run, &err));
	CU_ASSERT(data);
	CU_ASSERT_EQUAL(run, 10);
	OK(store_punch(s, MIB, 65536, &err));
	OK(store_extent(s, 0, 4 * MIB, &data, &run, &err));
	CU_ASSERT(!data);
	CU_ASSERT_EQUAL(run, 4 * MIB);
	OK(store_zero(s, 0, MIB, 0, &err));
	OK(store_sync(s, &err));
	OK(store_stat(s, &st, &err));
	CU_ASSERT(st.allocated >= MIB);
	CU_ASSERT(st.regular && !st.block_device && st.ino);
	/* past the end: a hole */
	OK(store_extent(s, 5 * MIB, 7, &data, &run, &err));
	CU_ASSERT(!data);
	CU_ASSERT_EQUAL(run, 7);
	end(s);
}

static void zeros_past_the_end_grow_the_file(void)
{
	for (unsigned flags = 0; flags < 2; flags++) {
		struct store *s = make(false);
		char buf[100];

		OK(store_pwrite(s, "abcdef", 6, 0, EVENT_DATA, &err));
		OK(store_zero(s, 3, 1000000, flags, &err));
		CU_ASSERT_EQUAL(length_of("image"), 1000003);
		CU_ASSERT_EQUAL(store_size(s), 1000003);
		OK(store_pread(s, buf, 100, 0, EVENT_DATA, &err));
		CU_ASSERT_EQUAL(memcmp(buf, "abc", 3), 0);
		CU_ASSERT(bytes_are_zero(buf + 3, 97));
		end(s);
	}
}

static void resize_preallocates_as_told(void)
{
	struct store *s = make(false);
	struct store_stat st;

	OK(store_resize(s, MIB, PREALLOC_FALLOC, &err));
	OK(store_stat(s, &st, &err));
	CU_ASSERT(st.allocated >= MIB);
	OK(store_resize(s, 2 * MIB + 5, PREALLOC_FULL, &err));
	OK(store_sync(s, &err));
	OK(store_stat(s, &st, &err));
	CU_ASSERT(st.allocated >= 2 * MIB);
	CU_ASSERT_EQUAL(length_of("image"), 2 * MIB + 5);
	CU_ASSERT_EQUAL(store_resize(s, 5, PREALLOC_FULL, &err), -EINVAL);
	OK(store_resize(s, 5, PREALLOC_OFF, &err));
	CU_ASSERT_EQUAL(length_of("image"), 5);
	CU_ASSERT_EQUAL(store_size(s), 5);
	end(s);
}

/* ---- opening */

static void what_is_no_file_is_refused(void)
{
	struct file_args ro = { 0 }, rw = { .writable = true };
	struct file_args create = { .create = true };
	struct file_args plain = { .no_special = true };
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	alarm(20);	/* none of these may wait */
	CU_ASSERT_EQUAL(refused(".", ro), EISDIR);
	CU_ASSERT_EQUAL(refused(".", rw), EISDIR);
	CU_ASSERT_EQUAL(refused(".", create), EISDIR);
	CU_ASSERT_EQUAL(refused("gone", ro), ENOENT);
	SAYS("Could not open 'gone': No such file or directory");
	CU_ASSERT_EQUAL(mkfifo("fifo", 0600), 0);
	CU_ASSERT_EQUAL(refused("fifo", ro), EINVAL);
	SAYS("FIFO");
	CU_ASSERT_EQUAL(refused("fifo", rw), EINVAL);
	CU_ASSERT_EQUAL(refused("fifo", create), EINVAL);
	CU_ASSERT_EQUAL(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	CU_ASSERT_EQUAL(refused("sock", ro), EINVAL);
	CU_ASSERT_EQUAL(refused("/dev/tty", ro), EINVAL);
	CU_ASSERT_EQUAL(refused("/dev/full", rw), EINVAL);
	CU_ASSERT_EQUAL(refused("/dev/null", ro), 0);
	CU_ASSERT_EQUAL(refused("/dev/null", plain), EREFUSED);
	CU_ASSERT_EQUAL(refused("/proc/version", plain), EREFUSED);
	put_text("plain", "x");
	CU_ASSERT_EQUAL(refused("plain", plain), 0);
	alarm(0);
	close(sock);
}

static void the_null_device_is_an_empty_image(void)
{
	struct file_args rw = { .writable = true };
	struct store *s = file_open("/dev/null", &rw, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(store_size(s), 0);
	CU_ASSERT_EQUAL(store_resize(s, 1, PREALLOC_OFF, &err), -EINVAL);
	OK(store_pwrite(s, "x", 1, 0, EVENT_DATA, &err));
	OK(store_sync(s, &err));
	CU_ASSERT_EQUAL(store_size(s), 0);
	end(s);
}

static void creating_empties_and_says_what_is_new(void)
{
	struct file_args create = { .create = true };
	struct file_args exclusive = { .create = true, .exclusive = true };
	struct store *s;

	unlink("new");
	s = file_open("new", &create, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT(file_created(s));
	CU_ASSERT(s->writable);
	/* The name itself is to be flushed. */
	CU_ASSERT(atomic_load(&s->dirty));
	OK(store_sync(s, &err));
	OK(store_pwrite(s, "text", 4, 0, EVENT_DATA, &err));
	end(s);
	CU_ASSERT_EQUAL(refused("new", exclusive), EEXIST);
	CU_ASSERT_EQUAL(length_of("new"), 4);
	s = file_open("new", &create, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT(!file_created(s));
	CU_ASSERT_EQUAL(store_size(s), 0);
	CU_ASSERT_EQUAL(length_of("new"), 0);
	end(s);
	CU_ASSERT_EQUAL(refused("no/such/folder", create), ENOENT);
	CU_ASSERT_EQUAL(symlink("target", "link"), 0);
	CU_ASSERT_EQUAL(refused("link", create), 0);
	CU_ASSERT_EQUAL(length_of("target"), 0);
}

static void no_direct_io_is_said_clearly(void)
{
	struct file_args direct = { .direct = true };

	CU_ASSERT_EQUAL(refused("/proc/version", direct), EINVAL);
	SAYS("filesystem does not support O_DIRECT");
}

static void read_only_is_read_only(void)
{
	struct file_args ro = { 0 };
	struct store *s;
	char c = 'y';

	put_text("image", "x");
	s = file_open("image", &ro, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(store_pwrite(s, &c, 1, 0, EVENT_DATA, &err), -EACCES);
	CU_ASSERT_EQUAL(store_resize(s, 9, PREALLOC_OFF, &err), -EACCES);
	OK(store_sync(s, &err));
	OK(store_pread(s, &c, 1, 0, EVENT_DATA, &err));
	CU_ASSERT_EQUAL(c, 'x');
	end(s);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "past the end are zeros", past_the_end_are_zeros },
		{ "a write grows the file by what was written, direct or not",
		    a_write_grows_by_what_was_written },
		{ "any sequence of calls agrees with memory",
		    any_sequence_agrees_with_memory },
		{ "any sequence of calls agrees with memory, direct",
		    any_sequence_agrees_with_memory_direct },
		{ "a request may have more pieces than one call takes",
		    more_pieces_than_one_call_takes },
		{ "offsets that no file has are refused",
		    no_offset_is_too_large_to_be_refused },
		{ "a full disk does not spoil later flushes",
		    a_full_disk_does_not_spoil_later_flushes },
		{ "holes are seen, made and filled",
		    holes_are_seen_made_and_filled },
		{ "zeros past the end grow the file",
		    zeros_past_the_end_grow_the_file },
		{ "resize preallocates as told", resize_preallocates_as_told },
		{ "what is no file is refused, and never waited for",
		    what_is_no_file_is_refused },
		{ "the null device is an empty image",
		    the_null_device_is_an_empty_image },
		{ "creating empties, and says what is new",
		    creating_empties_and_says_what_is_new },
		{ "a file system without O_DIRECT is named",
		    no_direct_io_is_said_clearly },
		{ "read-only is read-only", read_only_is_read_only },
		{ NULL, NULL }
	};

	return unit_run("files as stores", tests);
}
