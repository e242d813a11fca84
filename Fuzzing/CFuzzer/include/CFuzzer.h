#pragma once

// The entry of libFuzzer for programs with a main of their own (compiler-rt, FuzzerInterface of LLVM 12 and later).

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
