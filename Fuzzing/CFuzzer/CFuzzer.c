// Nothing to compile: libFuzzer comes with the toolchain.
