/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context switch of coroutines.
 *
 *   void coroutine_switch(void **save_sp, void *load_sp);
 *   void coroutine_boot(void);  first code on a new stack
 *
 * Only what the ABI makes callee-saved is kept: System V AMD64 ABI 3.2.1 and
 * AAPCS64 6.1. The object declares branch tracking (IBT, BTI) but not shadow
 * stacks, so that the linker does not mark the program for them: returning on
 * another stack is what a shadow stack forbids.
 */
#if defined(__x86_64__)
    .text
    .globl coroutine_switch
    .hidden coroutine_switch
    .type coroutine_switch, @function
    .p2align 4
coroutine_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .cfi_endproc
    .size coroutine_switch, . - coroutine_switch

    .globl coroutine_boot
    .hidden coroutine_boot
    .type coroutine_boot, @function
    .p2align 4
coroutine_boot:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rbx, %rdi
    xorl %ebp, %ebp
    call coroutine_main
    ud2
    .cfi_endproc
    .size coroutine_boot, . - coroutine_boot

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002        /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long 4, 1, 0           /* IBT */

#elif defined(__aarch64__)
    .text
    .globl coroutine_switch
    .hidden coroutine_switch
    .type coroutine_switch, %function
    .p2align 4
coroutine_switch:
    .cfi_startproc
    hint #34                /* bti c */
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret
    .cfi_endproc
    .size coroutine_switch, . - coroutine_switch

    .globl coroutine_boot
    .hidden coroutine_boot
    .type coroutine_boot, %function
    .p2align 4
coroutine_boot:
    .cfi_startproc
    .cfi_undefined x30
    hint #34                /* bti c */
    mov x0, x19
    mov x29, xzr
    bl coroutine_main
    brk #1
    .cfi_endproc
    .size coroutine_boot, . - coroutine_boot

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000        /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long 4, 1, 0           /* BTI */
#else
#error "coroutine_switch() is not written for this processor"
#endif
    .section .note.GNU-stack, "", %progbits
