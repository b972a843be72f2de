/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.c - a virtual machine of Linux's: memory, interrupt lines, messages
 *
 * Memory slots follow the board's layout.  A change removes the slots that are
 * wrong and adds those that lack; what stays is not touched, and runs are cut
 * at 1 MiB, so that shadowing the BIOS never takes main memory away from
 * under a processor that runs in it.
 *
 * The interval timer could be the kernel's, too.  It is not: current guests
 * use it for a moment while they start, and one device for all engines keeps
 * port 61h and the HPET's legacy replacement in one place.
 *
 * A20 is always on: KVM has no such gate.
 */
#include "accel/kvm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "accel/kvm_state.h"

/* Three pages that KVM wants for itself on some hosts, below the BIOS. */
#define TSS_ADDRESS 0xfffbd000ull
#define IDENTITY_MAP_ADDRESS 0xfffbc000ull
#define LOW_MEMORY 0x100000ull
#define MSRS_MAX 1024

int
kvm_ioctl(int fd, unsigned long request, uintptr_t arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret < 0 && errno == EINTR && request != KVM_RUN);
	return ret < 0 ? -errno : ret;
}

/* --- Memory --------------------------------------------------------------- */

static void
want(struct kvm *k, uint64_t gpa, uint64_t len, bool rom, uint8_t *host)
{
	if (k->n_want == KVM_SLOTS)
		k->too_many = true;
	else
		k->want[k->n_want++] = (struct kvm_slot){ gpa, len, host, rom };
}

static void
want_run(void *opaque, uint64_t gpa, uint64_t len, enum mem_kind kind,
    uint8_t *host)
{
	struct kvm *k = opaque;
	uint64_t low = gpa < LOW_MEMORY ? LOW_MEMORY - gpa : 0;

	if (low && low < len) {
		want(k, gpa, low, kind == MEM_ROM, host);
		gpa += low;
		len -= low;
		host += low;
	}
	want(k, gpa, len, kind == MEM_ROM, host);
}

static bool
same(const struct kvm_slot *a, const struct kvm_slot *b)
{
	return a->len && a->gpa == b->gpa && a->len == b->len &&
	    a->host == b->host && a->rom == b->rom;
}

static int
tell_slot(struct kvm *k, unsigned n, bool there)
{
	const struct kvm_slot *s = &k->slot[n];
	struct kvm_userspace_memory_region r = {
		.slot = n,
		.flags = s->rom && there ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = s->gpa,
		.memory_size = there ? s->len : 0,
		.userspace_addr = (uintptr_t)s->host,
	};

	return kvm_ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&r);
}

static unsigned
find(const struct kvm_slot *in, unsigned n, const struct kvm_slot *s)
{
	unsigned i = 0;

	while (i < n && !same(&in[i], s))
		i++;
	return i;
}

/* Board lock held.  What fails here the processors find as a device that is
 * not there: a run that reads it goes the slow way by mem_io_read(). */
static void
layout_changed(void *opaque)
{
	struct kvm *k = opaque;

	k->n_want = 0;
	k->too_many = false;
	mem_each(k->mem, want_run, k);
	for (unsigned n = 0; n < KVM_SLOTS; n++) {
		if (!k->slot[n].len ||
		    find(k->want, k->n_want, &k->slot[n]) < k->n_want)
			continue;
		if (tell_slot(k, n, false) < 0)
			k->slots_failed = true;
		k->slot[n].len = 0;
	}
	for (unsigned i = 0; i < k->n_want; i++) {
		unsigned n = 0;

		if (find(k->slot, KVM_SLOTS, &k->want[i]) < KVM_SLOTS)
			continue;
		while (n < KVM_SLOTS && k->slot[n].len)
			n++;
		if (n == KVM_SLOTS) {
			k->too_many = true;
			break;
		}
		k->slot[n] = k->want[i];
		if (tell_slot(k, n, true) < 0) {
			k->slot[n].len = 0;
			k->slots_failed = true;
		}
	}
}

/* --- Interrupts ----------------------------------------------------------- */

static void
set_line(void *sink, unsigned n, bool level)
{
	struct kvm *k = sink;
	struct kvm_irq_level l = { .irq = n, .level = level };

	if ((k->level >> n & 1) == level)
		return;
	k->level ^= 1u << n;
	kvm_ioctl(k->vm, KVM_IRQ_LINE, (uintptr_t)&l);
}

struct irq
kvm_line(struct kvm *k, unsigned n)
{
	struct irq none = { NULL, NULL, 0 };

	return n < 24 ? (struct irq){ set_line, k, n } : none;
}

static void
send_msi(void *sink, uint64_t addr, uint32_t data)
{
	struct kvm *k = sink;
	struct kvm_msi m = { .address_lo = (uint32_t)addr,
	    .address_hi = (uint32_t)(addr >> 32), .data = data };

	kvm_ioctl(k->vm, KVM_SIGNAL_MSI, (uintptr_t)&m);
}

struct msi_sink
kvm_msi(struct kvm *k)
{
	return (struct msi_sink){ send_msi, k };
}

/* --- Notifications -------------------------------------------------------- */

static int
ioeventfd(struct kvm *k, const struct notify *n, int fd, uint32_t flags)
{
	struct kvm_ioeventfd e = { .addr = n->addr, .len = n->size, .fd = fd,
	    .datamatch = n->value, .flags = flags };

	if (n->port)
		e.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (n->match)
		e.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	return kvm_ioctl(k->vm, KVM_IOEVENTFD, (uintptr_t)&e);
}

static bool
notify_add(void *sink, const struct notify *n, int fd)
{
	return ioeventfd(sink, n, fd, 0) >= 0;
}

static void
notify_remove(void *sink, const struct notify *n, int fd)
{
	ioeventfd(sink, n, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

struct notify_sink
kvm_notify(struct kvm *k)
{
	struct notify_sink s = { notify_add, notify_remove, k };

	if (kvm_ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) <= 0)
		s.add = NULL;
	return s;
}

/* --- Making it ------------------------------------------------------------ */

static void
nothing(int signal)
{
}

/* The capabilities that nothing works without. */
static int
check(struct kvm *k, struct error *err)
{
	static const struct { int cap; const char *what; } needs[] = {
		{ KVM_CAP_USER_MEMORY, "user memory" },
		{ KVM_CAP_IRQCHIP, "interrupt chips" },
		{ KVM_CAP_SIGNAL_MSI, "interrupt messages" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
		{ KVM_CAP_READONLY_MEM, "read-only memory" },
		{ KVM_CAP_EXT_CPUID, "CPUID" },
		{ KVM_CAP_MP_STATE, "states of processors" },
		{ KVM_CAP_VCPU_EVENTS, "events of processors" },
	};

	if (kvm_ioctl(k->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return error_set(err, ENOTSUP, "/dev/kvm has another version");
	for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (kvm_ioctl(k->dev, KVM_CHECK_EXTENSION,
		    (uintptr_t)needs[i].cap) <= 0)
			return error_set(err, ENOTSUP, "/dev/kvm lacks %s",
			    needs[i].what);
	return 0;
}

static int
get_msr_list(struct kvm *k)
{
	k->msrs = calloc(1, sizeof(*k->msrs) +
	    MSRS_MAX * sizeof(k->msrs->indices[0]));
	if (!k->msrs)
		return -ENOMEM;
	k->msrs->nmsrs = MSRS_MAX;
	return kvm_ioctl(k->dev, KVM_GET_MSR_INDEX_LIST, (uintptr_t)k->msrs);
}

/* Lines to pins as the board has them: the kernel's own routes lack that the
 * timer, line 0 of the 8259s, is pin 2 of the I/O APIC. */
static int
route(struct kvm *k)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[15 + 23];
	} r = { .head = { .nr = 0 } };

	if (kvm_ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING) <= 0)
		return 0;
	for (unsigned n = 0; n < 24; n++) {
		struct kvm_irq_routing_entry e = { .gsi = n,
		    .type = KVM_IRQ_ROUTING_IRQCHIP };

		if (n == 2)
			continue;
		if (n < 16) {
			e.u.irqchip.irqchip = n < 8 ? KVM_IRQCHIP_PIC_MASTER :
			    KVM_IRQCHIP_PIC_SLAVE;
			e.u.irqchip.pin = n & 7;
			r.entry[r.head.nr++] = e;
		}
		e.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e.u.irqchip.pin = n ? n : 2;
		r.entry[r.head.nr++] = e;
	}
	return kvm_ioctl(k->vm, KVM_SET_GSI_ROUTING, (uintptr_t)&r);
}

static int
set_up(struct kvm *k, struct error *err)
{
	uint64_t map = IDENTITY_MAP_ADDRESS;
	int ret;

	k->dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->dev < 0)
		return error_errno(err, errno, "/dev/kvm");
	if (check(k, err) < 0)
		return -err->code;
	k->vm = kvm_ioctl(k->dev, KVM_CREATE_VM, 0);
	if (k->vm < 0)
		return error_errno(err, -k->vm, "KVM: new machine");
	if ((ret = kvm_ioctl(k->vm, KVM_SET_IDENTITY_MAP_ADDR,
	    (uintptr_t)&map)) < 0 ||
	    (ret = kvm_ioctl(k->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS)) < 0)
		return error_errno(err, -ret, "KVM: its own pages");
	if ((ret = kvm_ioctl(k->vm, KVM_CREATE_IRQCHIP, 0)) < 0)
		return error_errno(err, -ret, "KVM: interrupt chips");
	if ((ret = route(k)) < 0)
		return error_errno(err, -ret, "KVM: interrupt routes");
	for (unsigned n = 0; n < 3; n++) {
		k->chip[n].chip_id = n;
		ret = kvm_ioctl(k->vm, KVM_GET_IRQCHIP,
		    (uintptr_t)&k->chip[n]);
		if (ret < 0)
			return error_errno(err, -ret, "KVM: interrupt chips");
	}
	ret = kvm_ioctl(k->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ret < (int)sizeof(struct kvm_run))
		return error_set(err, ENOTSUP, "KVM: size of a processor");
	k->run_size = (size_t)ret;
	if ((ret = get_msr_list(k)) < 0)
		return error_errno(err, -ret, "KVM: list of MSRs");
	layout_changed(k);
	if (k->too_many || k->slots_failed)
		return error_set(err, ENOMEM, "KVM: guest memory");
	return 0;
}

struct kvm *
kvm_new(struct mem *mem, struct error *err)
{
	struct sigaction kick = { .sa_handler = nothing };
	struct mem_listener listener = { .changed = layout_changed };
	struct kvm *k = calloc(1, sizeof(*k));

	if (!k) {
		error_errno(err, ENOMEM, "KVM");
		return NULL;
	}
	k->mem = mem;
	k->dev = k->vm = -1;
	if (set_up(k, err) < 0) {
		kvm_free(k);
		return NULL;
	}
	listener.opaque = k;
	mem_listen(mem, &listener);
	/* Only ends system calls: no SA_RESTART. */
	sigaction(SIGRTMIN, &kick, NULL);
	return k;
}

void
kvm_free(struct kvm *k)
{
	if (!k)
		return;
	if (k->vm >= 0)
		close(k->vm);
	if (k->dev >= 0)
		close(k->dev);
	free(k->msrs);
	free(k);
}

void
kvm_reset(struct kvm *k)
{
	for (unsigned n = 0; n < 3; n++)
		kvm_ioctl(k->vm, KVM_SET_IRQCHIP, (uintptr_t)&k->chip[n]);
	/* The lines stay as the devices hold them. */
	for (unsigned n = 0; n < 24; n++)
		if (k->level >> n & 1) {
			k->level ^= 1u << n;
			set_line(k, n, true);
		}
}
