#!/bin/sh
# Gathers what a GPU machine lacks into .gpu/a, b and c (ignored by git), each below 64 MiB with the tree.
# Run in the repository's root, on a machine that reaches PyPI and Debian.
set -eu
rm -rf .gpu && mkdir -p .gpu/a .gpu/b .gpu/c
PYTHON=${PYTHON:-python3}

wheel() { # wheel FOLDER NAME...: for Python 3.12 on x86-64, whatever Python runs this
    folder=$1; shift
    "$PYTHON" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 -d "$folder" "$@"
}
wheel .gpu/b drjit OpenEXR
wheel .gpu mitsuba
split -b 40M .gpu/mitsuba-*.whl ".gpu/$(basename .gpu/mitsuba-*.whl).part."
mv .gpu/*.part.aa .gpu/a/ && mv .gpu/*.part.ab .gpu/b/ && rm .gpu/mitsuba-*.whl
(cd .gpu/c && apt-get download -q libllvm19 libedit2 libffi8 libxml2 libz3-4 libzstd1 libbsd0 libmd0 libicu72 liblzma5)
du -sh .gpu/*
