/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A multiboot 1 kernel: says what its loader told it, on the first serial line
 * and on the screen, and switches the machine off by isa-debug-exit.
 *
 * Multiboot Specification 0.6.96: section 3.1 the header, 3.2 the state of the
 * machine at entry, 3.3 the information structure.  Every line it prints is
 * one fact; "state" is OK when CR0, segments and EFLAGS are as 3.2 has them.
 *
 *	gcc -m32 -c multiboot.S; ld -m elf_i386 -Ttext 0x100000 -e _start
 */
	.set	MAGIC, 0x1badb002
	.set	FLAGS, 3		/* modules on pages; memory wanted */

	.section .text.multiboot, "ax"
	.globl	_start
	.balign 4
	.long	MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
_start:
	/* 3.2: only these are promised; ESP is not. */
	mov	$stack_top, %esp
	pushf
	popl	eflags
	push	%ebx
	push	%eax
	cld
	call	screen_clear

	mov	$text_hello, %esi
	call	print
	mov	$text_magic, %esi
	call	print
	pop	%eax
	call	print_hex
	call	newline

	mov	$text_state, %esi
	call	print
	mov	$text_bad, %esi
	mov	%cr0, %eax
	and	$0x80000001, %eax
	cmp	$1, %eax		/* protected, not paged */
	jne	1f
	testl	$0x20200, eflags	/* no interrupts, not virtual 8086 */
	jnz	1f
	mov	%cs, %eax
	lar	%eax, %eax
	jnz	1f
	and	$0x00c09e00, %eax	/* 4 KiB units, 32 bits, code */
	cmp	$0x00c09a00, %eax
	jne	1f
	mov	%ss, %eax
	lar	%eax, %eax
	jnz	1f
	and	$0x00c09e00, %eax	/* the same for data, writable */
	cmp	$0x00c09200, %eax
	jne	1f
	mov	%ds, %eax
	lsl	%eax, %eax
	jnz	1f
	cmp	$-1, %eax
	jne	1f
	mov	$text_ok, %esi
1:	call	print

	pop	%ebp			/* the information structure */
	mov	$text_flags, %esi
	mov	0(%ebp), %eax
	call	print_fact

	testb	$1, (%ebp)		/* flags[0]: memory, in KiB */
	jz	1f
	mov	$text_lower, %esi
	mov	4(%ebp), %eax
	call	print_fact
	mov	$text_upper, %esi
	mov	8(%ebp), %eax
	call	print_fact
1:
	testb	$4, (%ebp)		/* flags[2]: the command line */
	jz	1f
	mov	$text_command, %esi
	call	print
	mov	16(%ebp), %esi
	call	print
	mov	$text_end, %esi
	call	print
1:
	testb	$8, (%ebp)		/* flags[3]: modules */
	jz	2f
	mov	20(%ebp), %ecx
	mov	24(%ebp), %ebx
1:	jecxz	2f
	push	%ecx
	mov	$text_module, %esi
	call	print
	mov	8(%ebx), %esi
	call	print
	mov	$text_holds, %esi
	call	print
	/* Its first line only: it need not end in a zero. */
	mov	0(%ebx), %esi
	mov	4(%ebx), %ecx
	sub	%esi, %ecx
3:	jecxz	4f
	lodsb
	cmp	$' ', %al
	jb	4f
	call	putc
	dec	%ecx
	jmp	3b
4:	mov	$text_end, %esi
	call	print
	pop	%ecx
	add	$16, %ebx
	dec	%ecx
	jmp	1b
2:
	testb	$64, (%ebp)		/* flags[6]: the memory map */
	jz	2f
	mov	48(%ebp), %ebx
	mov	44(%ebp), %edx
	add	%ebx, %edx
1:	cmp	%edx, %ebx
	jae	2f
	mov	$text_map, %esi
	call	print
	mov	8(%ebx), %eax
	call	print_hex
	mov	4(%ebx), %eax
	call	print_hex
	call	space
	mov	16(%ebx), %eax
	call	print_hex
	mov	12(%ebx), %eax
	call	print_hex
	call	space
	mov	20(%ebx), %eax
	call	print_hex
	call	newline
	add	(%ebx), %ebx
	add	$4, %ebx
	jmp	1b
2:
	testb	$2, 1(%ebp)		/* flags[9]: the loader's name */
	jz	1f
	mov	$text_loader, %esi
	call	print
	mov	64(%ebp), %esi
	call	print
	call	newline
1:
	mov	$text_done, %esi
	call	print
	/* isa-debug-exit: the emulator ends with 2 * value + 1. */
	mov	$0x21, %al
	mov	$0xf4, %dx
	out	%al, %dx
1:	hlt
	jmp	1b

print_fact:
	push	%eax
	call	print
	pop	%eax
	call	print_hex
newline:
	mov	$text_newline, %esi
print:	lodsb
	test	%al, %al
	jz	1f
	call	putc
	jmp	print
1:	ret

space:	mov	$' ', %al
	jmp	putc

print_hex:
	push	%ecx
	push	%eax
	mov	$8, %ecx
1:	rol	$4, %eax
	push	%eax
	and	$15, %al
	cmp	$10, %al
	jb	2f
	add	$'a' - '0' - 10, %al
2:	add	$'0', %al
	call	putc
	pop	%eax
	loop	1b
	pop	%eax
	pop	%ecx
	ret

/* AL to both.  The screen does not scroll: what is too much is lost. */
putc:	pusha
	mov	%eax, %ebx
	mov	$0x3fd, %edx
1:	in	%dx, %al
	test	$0x20, %al
	jz	1b
	mov	%ebx, %eax
	mov	$0x3f8, %edx
	out	%al, %dx
	mov	cursor, %edi
	cmp	$'\n', %al
	je	2f
	cmp	$0xb8000 + 80 * 25 * 2, %edi
	jae	3f
	mov	$0x1f, %ah
	stosw
	jmp	3f
2:	lea	-0xb8000(%edi), %eax
	xor	%edx, %edx
	mov	$160, %ecx
	div	%ecx
	inc	%eax
	mul	%ecx
	lea	0xb8000(%eax), %edi
3:	mov	%edi, cursor
	popa
	ret

screen_clear:
	mov	$0xb8000, %edi
	mov	$0x1f20, %eax
	mov	$80 * 25, %ecx
	rep stosw
	ret

	.data
cursor:	.long	0xb8000
eflags:	.long	0
text_hello: .asciz "A multiboot kernel of cowbird's\n"
text_magic: .asciz "magic "
text_state: .asciz "state "
text_ok: .asciz "OK\n"
text_bad: .asciz "not as specified\n"
text_flags: .asciz "flags "
text_lower: .asciz "lower "
text_upper: .asciz "upper "
text_command: .asciz "command ["
text_module: .asciz "module ["
text_holds: .asciz "] holds ["
text_end: .asciz "]\n"
text_map: .asciz "map "
text_loader: .asciz "loader "
text_done: .asciz "done\n"
text_newline: .asciz "\n"

	.bss
	.balign 16
	.skip	4096
stack_top:
