/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bootrom.S - an option ROM that starts a kernel the user named
 *
 * The firmware takes it for a device one can boot from (Plug and Play BIOS
 * Specification 1.0A, 3.2: the Bootstrap Entry Vector) and calls it as the
 * last step.  What is to be loaded where is decided on the host (emu/load.c):
 * a plan, itself an item of fw_cfg, that begins with a struct plan_start and
 * goes on with pairs of commands for fw_cfg's DMA (choose and skip, read),
 * ready to be carried out, until one that is zero.  The DMA writes above 1 MiB too, so that all of this runs in
 * real mode.
 *
 * Linux begins in real mode, at its set-up code ("The Linux/x86 Boot
 * Protocol").  A multiboot kernel wants a memory map, which only the firmware
 * knows, and protected mode (Multiboot Specification 0.6.96, 3.2 and 3.3).
 *
 * All addresses are differences from the ROM's beginning: nothing is left for
 * a linker to do.
 */
#ifdef __x86_64__
	.set	PLAN_KEY, 0x8040	/* load.h: LOAD_PLAN */
	.set	LOAD_LINUX, 1
	.set	ROM_SIZE, 1024

	/* Memory that a boot sector would lie in. */
	.set	WORK, 0x7c00
	.set	COMMAND, WORK		/* a command of ours */
	.set	NEXT, WORK + 0x80	/* two of the plan's */
	.set	START, WORK + 0x20	/* struct plan_start */
	.set	S_KIND, START
	.set	S_ENTRY, START + 4
	.set	S_INFO, START + 8
	.set	S_MAP, START + 12
	.set	S_STACK, START + 16
	.set	START_SIZE, 32
	.set	GDT, WORK + 0x40
	.set	GDTR, WORK + 0x60
	.set	JUMP, WORK + 0x68
	.set	DONE, WORK + 0x70	/* bytes of the plan done */
	.set	UPPER, WORK + 0x74	/* KiB from 1 MiB on */

	.set	MAP_MAX, 64
	.set	MAGIC, 0x2badb002

	.section .rodata
	.globl	bootrom, bootrom_end
	.balign	16
	.code16
bootrom:
	.byte	0x55, 0xaa, ROM_SIZE / 512
	xor	%ax, %ax		/* initialised: nothing to do */
	lret
	.org	bootrom + 0x1a
	.short	pnp - bootrom
	.balign	16

pnp:	.ascii	"$PnP"
	.byte	1, 2			/* revision; 16-byte units */
	.short	0			/* no other header */
	.byte	0, 0			/* reserved; checksum: load.c */
	.long	0			/* device identifier */
	.short	0			/* manufacturer */
	.short	product - bootrom
	.byte	0, 0, 0			/* device type */
	.byte	0			/* indicators */
	.short	0, 0			/* boot and disconnect vectors */
	.short	entry - bootrom		/* bootstrap entry vector */
	.short	0, 0
product: .asciz	"kernel of the command line"
failed:	.asciz	"\r\nThe kernel cannot be loaded into memory\r\n"

entry:	cld
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$WORK, %sp
	sti

	/* The plan's beginning. */
	movl	$0, DONE
	mov	$START_SIZE, %cx
	mov	$START, %di
	call	plan
	/* And its commands. */
1:	mov	$32, %cx
	mov	$NEXT, %di
	call	plan
	cmpl	$0, NEXT
	je	2f
	mov	$NEXT, %bx
	call	dma
	mov	$NEXT + 16, %bx
	call	dma
	jmp	1b

2:	cmpl	$LOAD_LINUX, S_KIND
	jne	multiboot

	/* Linux/x86 Boot Protocol, "Running the kernel": all data segments are
	 * the set-up code's, CS is 20h paragraphs on. */
	cli
	mov	S_STACK, %ebx
	mov	S_ENTRY, %eax
	shr	$4, %eax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%ax, %ss
	mov	%ebx, %esp
	add	$0x20, %ax
	push	%ax
	push	$0
	xor	%ebx, %ebx
	lret

/* CX bytes of the plan to DI. */
plan:	movl	$(PLAN_KEY >> 8) | (PLAN_KEY & 0xff) << 8 | 0x0c000000, COMMAND
	mov	DONE, %eax		/* select, skip */
	bswap	%eax
	mov	%eax, COMMAND + 4
	mov	$COMMAND, %bx
	call	dma
	movl	$0x02000000, COMMAND	/* read */
	movzx	%cx, %eax
	add	%eax, DONE
	bswap	%eax
	mov	%eax, COMMAND + 4
	movl	$0, COMMAND + 8
	movzx	%di, %eax
	bswap	%eax
	mov	%eax, COMMAND + 12

/* Does the command at BX; a write to port 518h starts it, and it is over when
 * that returns. */
dma:	mov	$0x514, %dx
	xor	%eax, %eax
	out	%eax, %dx
	add	$4, %dx
	movzx	%bx, %eax
	bswap	%eax
	out	%eax, %dx
	cmpl	$0, (%bx)
	jne	fail
	ret

fail:	mov	$failed - bootrom, %si
1:	mov	%cs:(%si), %al
	inc	%si
	test	%al, %al
	jz	2f
	mov	$0x0e, %ah
	mov	$7, %bx
	push	%si
	int	$0x10
	pop	%si
	jmp	1b
2:	hlt
	jmp	2b

	/* The map: entries of 24 bytes with their size, 20, before them. */
multiboot:
	movl	$0, UPPER
	mov	S_MAP, %edi
	mov	%edi, %eax
	shr	$4, %eax
	mov	%ax, %es
	xor	%di, %di
	xor	%ebx, %ebx
	mov	$MAP_MAX, %bp
1:	movl	$20, %es:(%di)
	add	$4, %di
	mov	$0xe820, %eax
	mov	$20, %ecx
	mov	$0x534d4150, %edx	/* "SMAP" */
	push	%bp
	push	%di
	int	$0x15
	pop	%di
	pop	%bp
	jc	2f
	cmp	$0x534d4150, %eax
	jne	2f
	/* RAM at 1 MiB is upper memory, in KiB. */
	cmpl	$0x100000, %es:(%di)
	jne	3f
	cmpl	$0, %es:4(%di)
	jne	3f
	cmpl	$1, %es:16(%di)
	jne	3f
	mov	%es:8(%di), %ecx
	cmpl	$0, %es:12(%di)
	je	4f
	mov	$-1, %ecx
4:	shr	$10, %ecx
	mov	%ecx, UPPER
3:	add	$20, %di
	dec	%bp
	jz	4f
	test	%ebx, %ebx
	jnz	1b
	jmp	4f
2:	sub	$4, %di
4:	movzx	%di, %edi
	int	$0x12
	movzx	%ax, %ecx

	/* What the map told goes into the information: mem_lower and
	 * mem_upper, mmap_length. */
	mov	S_INFO, %ebx
	mov	%ebx, %eax
	shr	$4, %eax
	mov	%ax, %es
	mov	%ecx, %es:4
	mov	UPPER, %eax
	mov	%eax, %es:8
	mov	%edi, %es:44

	/* Protected mode, with the descriptors 3.2 asks for. */
	cli
	xor	%eax, %eax
	mov	%ax, %es
	mov	%eax, GDT
	mov	%eax, GDT + 4
	movl	$0x0000ffff, GDT + 8
	movl	$0x00cf9a00, GDT + 12
	movl	$0x0000ffff, GDT + 16
	movl	$0x00cf9200, GDT + 20
	movw	$23, GDTR
	movl	$GDT, GDTR + 2
	mov	%cs, %ax
	movzx	%ax, %eax
	shl	$4, %eax
	add	$flat - bootrom, %eax
	mov	%eax, JUMP
	movw	$8, JUMP + 4
	mov	S_ENTRY, %esi
	lgdtl	GDTR
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	*JUMP

	.code32
flat:	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
	mov	$MAGIC, %eax
	jmp	*%esi

	.org	bootrom + ROM_SIZE
bootrom_end:
	.code64
	.section .note.GNU-stack, "", @progbits
#endif
