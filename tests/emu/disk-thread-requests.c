/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk-thread-requests.c - guest disks: many requests, threads, drains, errors */
#include "dev/disk.h"

#include <pthread.h>
#include <unistd.h>

#include "emu/rig.h"
#include "store/fault.h"
#include "support/guest.h"
#include "support/unit.h"

enum { DISK = 4 << 20, MANY = 400 };

static struct rig rig;

struct job {
	struct disk_req r;
	struct iovec iov;
	uint8_t b[4096];
	unsigned done;
};

static struct job jobs[MANY];
static unsigned bursts, order[MANY], told;

static void done(struct disk_req *r)
{
	struct job *j = r->opaque;

	j->done++;
	order[told++] = (unsigned)(j - jobs);
	bursts += !r->more;
}

static void submit(unsigned i, unsigned disk, enum disk_op op, uint64_t off,
    uint64_t len)
{
	struct job *j = &jobs[i];

	j->iov = (struct iovec){ j->b, len };
	j->done = 0;
	j->r = (struct disk_req){ .op = op, .off = off, .len = len,
	    .iov = &j->iov, .iovcnt = 1, .done = done, .opaque = j };
	disk_submit(rig.disk[disk], &j->r);
}

static void begin(void)
{
	rig_init(&rig);
	told = bursts = 0;
}

static struct store *faulty_disk(void)
{
	struct error err;
	struct store *s = fault_open(memory_open(DISK, &err), &err);

	rig_must(s, &err);
	rig_disk_on(&rig, s, false, false);
	return s;
}

static void every_request_is_told_once(void)
{
	begin();
	rig_disk(&rig, DISK, false, false);
	rig_fill(&rig, 0);
	for (unsigned round = 0; round < 20; round++) {
		told = 0;
		for (unsigned i = 0; i < MANY; i++)
			submit(i, 0, DISK_READ, i * 4096ull, 4096);
		CU_ASSERT_EQUAL(told, 0);	/* never from within */
		rig_settle(&rig);
		CU_ASSERT_EQUAL(told, MANY);
		for (unsigned i = 0; i < MANY; i++) {
			CU_ASSERT_EQUAL(jobs[i].done, 1);
			CU_ASSERT_EQUAL(jobs[i].r.ret, 0);
			CU_ASSERT_TRUE(rig_matches(jobs[i].b, i * 4096ull,
			    64));
		}
	}
	rig_fini(&rig);
}

static void what_ended_together_is_one_burst(void)
{
	begin();
	rig_disk(&rig, DISK, false, false);
	for (unsigned i = 0; i < 50; i++)
		submit(i, 0, DISK_READ, i * 4096ull, 4096);
	usleep(100000);			/* the loop does not run meanwhile */
	rig_settle(&rig);
	CU_ASSERT_EQUAL(told, 50);
	CU_ASSERT_EQUAL(bursts, 1);
	rig_fini(&rig);
}

static void several_are_served_at_once_when_it_is_slow(void)
{
	struct fault_rule slow = { .ops = FAULT_READ, .event = -1,
	    .pause_ms = 100 };
	struct error err;
	struct store *s;
	uint64_t start;

	begin();
	s = faulty_disk();
	rig_must(!fault_add(s, &slow, &err), &err);
	start = board_now_ns(rig.board);
	for (unsigned i = 0; i < 16; i++)
		submit(i, 0, DISK_READ, i * 4096ull, 4096);
	rig_settle(&rig);
	/* One after the other would take 1.6 s. */
	CU_ASSERT_TRUE(board_now_ns(rig.board) - start < NS_PER_S);
	fault_clear(s);
	rig_fini(&rig);
}

static void reads_do_not_wait_behind_a_flush(void)
{
	struct fault_rule slow = { .ops = FAULT_SYNC, .event = -1,
	    .pause_ms = 200 };
	struct error err;
	struct store *s;

	begin();
	s = faulty_disk();
	submit(0, 0, DISK_WRITE, 0, 4096);
	rig_settle(&rig);
	rig_must(!fault_add(s, &slow, &err), &err);
	told = 0;
	submit(0, 0, DISK_FLUSH, 0, 0);
	for (unsigned i = 1; i < 9; i++)
		submit(i, 0, DISK_READ, i * 4096ull, 4096);
	rig_settle(&rig);
	CU_ASSERT_EQUAL(told, 9);
	CU_ASSERT_EQUAL(order[8], 0);
	fault_clear(s);
	rig_fini(&rig);
}

static void errors_are_those_of_the_image(void)
{
	struct fault_rule bad = { .ops = FAULT_READ, .event = -1,
	    .off = 8192, .len = 4096, .error = EIO };
	struct fault_rule full = { .ops = FAULT_WRITE, .event = -1,
	    .error = ENOSPC };
	struct error err;
	struct store *s;

	begin();
	s = faulty_disk();
	rig_disk(&rig, DISK, true, false);
	rig_must(!fault_add(s, &bad, &err), &err);
	rig_must(!fault_add(s, &full, &err), &err);
	submit(0, 0, DISK_READ, 4096, 4096);
	submit(1, 0, DISK_READ, 8192, 4096);
	submit(2, 0, DISK_WRITE, 0, 4096);
	submit(3, 0, DISK_READ, DISK - 512, 4096);
	submit(4, 0, DISK_READ, UINT64_MAX - 100, 4096);
	submit(5, 1, DISK_WRITE, 0, 4096);
	submit(6, 1, DISK_FLUSH, 0, 0);
	submit(7, 1, DISK_DISCARD, 0, 4096);
	rig_settle(&rig);
	CU_ASSERT_EQUAL(jobs[0].r.ret, 0);
	CU_ASSERT_EQUAL(jobs[1].r.ret, -EIO);
	CU_ASSERT_EQUAL(jobs[2].r.ret, -ENOSPC);
	CU_ASSERT_EQUAL(jobs[3].r.ret, -EINVAL);
	CU_ASSERT_EQUAL(jobs[4].r.ret, -EINVAL);
	CU_ASSERT_EQUAL(jobs[5].r.ret, -EROFS);
	CU_ASSERT_EQUAL(jobs[6].r.ret, 0);
	CU_ASSERT_EQUAL(jobs[7].r.ret, -EROFS);
	fault_clear(s);
	rig_fini(&rig);
}

static void an_empty_drive_says_so(void)
{
	struct error err;

	begin();
	rig.disk[0] = disk_new(rig.board, NULL, "cd", true, false, &err);
	rig_must(rig.disk[0], &err);
	rig.disks = 1;
	CU_ASSERT_FALSE(disk_has_medium(rig.disk[0]));
	CU_ASSERT_EQUAL(disk_size(rig.disk[0]), 0);
	submit(0, 0, DISK_READ, 0, 512);
	rig_settle(&rig);
	CU_ASSERT_EQUAL(jobs[0].r.ret, -ENOMEDIUM);
	rig_fini(&rig);
}

static void discards_are_ignored_where_they_are_not_wanted(void)
{
	for (int on = 0; on < 2; on++) {
		begin();
		rig_disk(&rig, DISK, false, on);
		rig_fill(&rig, 0);
		submit(0, 0, DISK_DISCARD, 4096, 4096);
		rig_settle(&rig);
		CU_ASSERT_EQUAL(jobs[0].r.ret, 0);
		submit(0, 0, DISK_READ, 4096, 4096);
		rig_settle(&rig);
		CU_ASSERT_EQUAL(bytes_are_zero(jobs[0].b, 4096), on);
		rig_fini(&rig);
	}
}

static void closing_waits_for_what_is_under_way(void)
{
	struct fault_rule slow = { .ops = FAULT_WRITE, .event = -1,
	    .pause_ms = 20 };
	struct store *s;
	struct error err;

	begin();
	s = faulty_disk();
	rig_must(!fault_add(s, &slow, &err), &err);
	for (unsigned i = 0; i < 20; i++) {
		memset(jobs[i].b, 1 + i, 4096);
		submit(i, 0, DISK_WRITE, i * 4096ull, 4096);
	}
	board_unlock(rig.board);
	CU_ASSERT_EQUAL(disk_free(rig.disk[0], &err), 0);
	board_lock(rig.board);
	for (unsigned i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(jobs[i].r.ret, 0);
	CU_ASSERT_EQUAL(told, 0);
	/* The work it may have posted is gone with the board. */
	rig.disks = 0;
	rig_fini(&rig);
}

static void drains_are_called_once_when_all_is_done(void)
{
	unsigned a = 0, b = 0;

	begin();
	rig_disk(&rig, DISK, false, false);
	disk_drain(rig.disk[0], rig_idle, &a);
	CU_ASSERT_EQUAL(a, 1);
	for (unsigned i = 0; i < 10; i++)
		submit(i, 0, DISK_READ, 0, 4096);
	for (unsigned i = 0; i < 100; i++)
		disk_drain(rig.disk[0], rig_idle, &b);
	CU_ASSERT_EQUAL(b, 0);
	rig_settle(&rig);
	CU_ASSERT_EQUAL(b, 1);
	CU_ASSERT_EQUAL(told, 10);
	rig_fini(&rig);
}

/* A file of DISK bytes as rig_byte() has them; its store. */
static struct store *file_store(void)
{
	struct file_args args = { .writable = true, .create = true };
	uint8_t *b = malloc(DISK);
	struct error err;
	struct store *s = file_open("disk.raw", &args, &err);

	rig_must(s, &err);
	for (unsigned i = 0; i < DISK; i++)
		b[i] = rig_byte(i);
	rig_must(!store_pwrite(s, b, DISK, 0, EVENT_DATA, &err), &err);
	free(b);
	return s;
}

static bool now(unsigned i, uint64_t off, uint64_t len)
{
	struct job *j = &jobs[i];

	j->iov = (struct iovec){ j->b, len };
	j->done = 0;
	j->r = (struct disk_req){ .op = DISK_READ, .off = off, .len = len,
	    .iov = &j->iov, .iovcnt = 1, .done = done, .opaque = j };
	return disk_read_now(rig.disk[0], &j->r);
}

static void small_reads_of_cached_files_need_no_thread(void)
{
	begin();
	rig_disk_on(&rig, file_store(), false, false);
	if (!now(0, 4096, 4096)) {
		/* A file system without the flag: then never. */
		CU_ASSERT_FALSE(now(0, 0, 512));
		rig_fini(&rig);
		return;
	}
	CU_ASSERT_TRUE(rig_matches(jobs[0].b, 4096, 4096));
	CU_ASSERT_EQUAL(told, 0);
	CU_ASSERT_TRUE(now(0, DISK - 512, 512));
	CU_ASSERT_TRUE(rig_matches(jobs[0].b, DISK - 512, 512));
	CU_ASSERT_FALSE(now(0, DISK - 512, 1024));
	CU_ASSERT_FALSE(now(0, UINT64_MAX - 100, 512));
	CU_ASSERT_FALSE(now(0, 0, 1 << 20));
	rig_fini(&rig);
}

/* Tables are read by workers: only what has been read from is warm. */
static void qcow2_parts_are_warm_once_read_from(void)
{
	struct file_args fa = { .writable = true, .create = true };
	struct open_args a = { .format = "qcow2", .writable = true };
	uint8_t b[4096];
	struct image *img;
	struct error err;
	struct store *s;

	begin();
	s = file_open("disk.qcow2", &fa, &err);
	rig_must(s, &err);
	rig_must(!image_make(s, "qcow2", DISK, "cluster_size=4096", NULL,
	    false, &err), &err);
	a.store = s;
	img = image_open("disk", &a, &err);
	rig_must(img, &err);
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = rig_byte(i);
	rig_must(!image_write(img, b, 4096, 0, 0, &err), &err);
	rig.disk[0] = disk_new(rig.board, img, "d", false, false, &err);
	rig_must(rig.disk[0], &err);
	rig.image[0] = img;
	rig.disks = 1;
	CU_ASSERT_FALSE(now(0, 0, 4096));
	submit(1, 0, DISK_READ, 0, 4096);
	rig_settle(&rig);
	if (now(0, 0, 4096))
		CU_ASSERT_TRUE(rig_matches(jobs[0].b, 0, 4096));
	/* Another table; and what is no data in a file. */
	CU_ASSERT_FALSE(now(0, 2 << 20, 4096));
	CU_ASSERT_FALSE(now(0, 4096, 4096));
	rig_fini(&rig);
}

static const struct unit_test tests[] = {
	{ "every request is told once", every_request_is_told_once },
	{ "what ended together is one burst",
	    what_ended_together_is_one_burst },
	{ "several are served at once when it is slow",
	    several_are_served_at_once_when_it_is_slow },
	{ "reads do not wait behind a flush",
	    reads_do_not_wait_behind_a_flush },
	{ "errors are those of the image", errors_are_those_of_the_image },
	{ "an empty drive says so", an_empty_drive_says_so },
	{ "discards are ignored where they are not wanted",
	    discards_are_ignored_where_they_are_not_wanted },
	{ "closing waits for what is under way",
	    closing_waits_for_what_is_under_way },
	{ "drains are called once when all is done",
	    drains_are_called_once_when_all_is_done },
	{ "small reads of cached files need no thread",
	    small_reads_of_cached_files_need_no_thread },
	{ "qcow2 parts are warm once read from",
	    qcow2_parts_are_warm_once_read_from },
	{ NULL, NULL }
};

int main(void)
{
	return unit_run("disk-thread-requests", tests);
}
