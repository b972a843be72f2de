/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-thread-mem.c - pages are found without a lock while the layout moves */
#include "core/mem.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "core/board.h"
#include "support/unit.h"

enum { READERS = 2, STEPS = 10000, WINDOWS = 4 };

static struct board *board;
static struct mem *mem;
static uint8_t *ram, *rom;
static atomic_bool done;
static atomic_uint wrong, looked, step;

static const struct io_ops none;

/* What a page may be whichever of the layouts is in force: RAM where RAM is,
 * the ROM's own page, nothing, or a device. */
static bool possible(uint64_t gpa, struct mem_page p)
{
	bool window = gpa >= 4 * MIB && gpa % (2 * MIB) < 4 * PAGE_SIZE;

	switch (p.kind) {
	case MEM_RAM:
		return gpa < 4 * MIB && p.host == ram + gpa;
	case MEM_ROM:
		return window && p.host == rom + gpa % (2 * MIB);
	case MEM_NONE:
		return gpa >= 4 * MIB;
	case MEM_IO:
		return gpa == 0x5000 || gpa == 0x203000;
	}
	return false;
}

static void *look(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&done)) {
		/* Pages below, in and beside the windows that move. */
		for (uint64_t c = 0; c < 3; c++) {
			uint64_t gpa = c * 2 * MIB + n++ % 8 * PAGE_SIZE;

			if (!possible(gpa, mem_page(mem, gpa)))
				atomic_fetch_add(&wrong, 1);
		}
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

/* A reader that is put aside between its two loads is what the counting of
 * reused tables is for: signals put them aside, at any instruction. */
static void stand_aside(int signal)
{
	unsigned begun = atomic_load(&step);

	while (atomic_load(&step) < begun + 1 + begun / 4 % 3 && begun < STEPS)
		sched_yield();
}

static void *dma(void *arg)
{
	uint8_t buf[16];
	struct iovec iov[4];

	while (!atomic_load(&done)) {
		int n = 0;

		/* RAM that no device ever hides. */
		if (!mem_read(mem, 0x6ff8, buf, sizeof(buf)) ||
		    !mem_iov(mem, 0x1ff000, 0x2000, iov, &n, 4) || n != 1)
			atomic_fetch_add(&wrong, 1);
		mem_has_code(mem, 0x6);
		mem_code_write(mem, 0x6000, 64);
	}
	return NULL;
}

/* A ROM of 4 pages moves from chunk to chunk, so tables change hands all the
 * time; a device of a few bytes comes and goes in RAM. */
static void pages_are_right_while_the_layout_changes(void)
{
	struct mem_region *moving, *device;
	pthread_t t[READERS + 1];
	struct sigaction action = { .sa_handler = stand_aside };
	struct error err;

	board = board_new(&err);
	mem = mem_new(board, 4 * MIB, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	ram = mem_ram(mem, 0, 4 * MIB);
	rom = aligned_alloc(4096, 4 * PAGE_SIZE);
	moving = mem_add_ram(mem, 4 * MIB, 4 * PAGE_SIZE, MEM_ROM, rom, "rom");
	sigaction(SIGUSR1, &action, NULL);
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&t[i], NULL, look, (void *)i);
	pthread_create(&t[READERS], NULL, dma, NULL);
	for (unsigned i = 0; i < STEPS; i++) {
		board_lock(board);
		mem_move(moving, (2 + i * 7 % WINDOWS) * 2 * MIB);
		device = mem_add_io(mem, i & 1 ? 0x5010 : 0x203010, 8, &none,
		    NULL, "device");
		mem_remove(device);
		board_unlock(board);
		atomic_store(&step, i);
		if (i % 2 == 0)
			pthread_kill(t[i / 2 % READERS], SIGUSR1);
		mem_code_add(mem, 0x6, 1ull << i % 64, i % 2);
		if (i % 8 == 0)
			mem_code_drop(mem, 0x6, i % 2);
	}
	atomic_store(&step, 2 * STEPS);	/* nobody stands aside any more */
	while (atomic_load(&looked) < 1000)
		;
	atomic_store(&done, true);
	for (unsigned i = 0; i <= READERS; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
	mem_free(mem);
	board_free(board);
	free(rom);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "pages are right while the layout changes",
		    pages_are_right_while_the_layout_changes },
		{ NULL, NULL }
	};

	return unit_run("guest memory under threads", tests);
}
