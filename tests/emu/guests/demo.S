/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot sector of ./bootstrap demo: greets, says how large its disk is and
 * what file system is on it, and switches the machine off.
 *
 * An ext4 file system leaves its first 1024 bytes to boot loaders; its
 * superblock follows: the count of blocks at 4, log2 of their size in KiB at
 * 24, the magic number EF53h at 56.  All it says goes to the
 * screen and to the first serial port.
 *
 *	gcc -m32 -c demo.S; ld -m elf_i386 -Ttext 0x7c00 --oformat binary
 */
	.set	BUFFER, 0x8000
	.set	PM_CONTROL, 0x604	/* PIIX4: SLP_EN, type 0, is power off */

	.code16
	.globl	_start
_start:
	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	cli
	mov	%ax, %ss
	mov	$0x7c00, %sp
	sti
	cld
	mov	%dl, drive
	mov	$greeting, %si
	call	print

	/* int 13h AH=48h: the drive's size in sectors, at 16. */
	mov	$0x48, %ah
	mov	drive, %dl
	mov	$BUFFER, %si
	movw	$30, (%si)
	int	$0x13
	jc	failed
	mov	BUFFER + 16, %eax
	shr	$11, %eax
	call	decimal
	mov	$mib, %si
	call	print

	mov	$0x42, %ah
	mov	drive, %dl
	mov	$packet, %si
	int	$0x13
	jc	failed
	cmpw	$0xef53, BUFFER + 56
	jne	nothing
	mov	$ext4, %si
	call	print
	mov	BUFFER + 4, %eax
	mov	BUFFER + 24, %cl
	shl	%cl, %eax
	shr	$10, %eax
	call	decimal
	mov	$mib, %si
	call	print
	jmp	off

nothing: mov	$no_ext4, %si
	jmp	1f
failed:	mov	$bad, %si
1:	call	print
off:	mov	$bye, %si
	call	print
	mov	$PM_CONTROL, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
1:	hlt
	jmp	1b

decimal:
	mov	$10, %ebx
	xor	%cx, %cx
1:	xor	%edx, %edx
	div	%ebx
	push	%dx
	inc	%cx
	test	%eax, %eax
	jnz	1b
2:	pop	%ax
	add	$'0', %al
	call	putc
	loop	2b
	ret

print:	lodsb
	test	%al, %al
	jz	1f
	call	putc
	jmp	print
1:	ret

putc:	pusha
	push	%ax
	mov	$0x0e, %ah
	mov	$7, %bx
	int	$0x10
	mov	$0x3fd, %dx
1:	in	%dx, %al
	test	$0x20, %al
	jz	1b
	pop	%ax
	mov	$0x3f8, %dx
	out	%al, %dx
	popa
	ret

	.balign	4
packet:	.byte	16, 0
	.short	2, BUFFER, 0
	.long	2, 0
drive:	.byte	0
greeting: .ascii "\r\nHello from a machine that booted from your image.\r\n"
	.asciz	"Its disk has "
mib:	.asciz	" MiB.\r\n"
ext4:	.asciz	"There is an ext4 file system on it, of "
no_ext4: .asciz	"There is no ext4 file system on it.\r\n"
bad:	.asciz	"It cannot be read.\r\n"
bye:	.asciz	"Good night.\r\n"

	.org	510
	.byte	0x55, 0xaa
