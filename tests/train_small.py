"""`mcdenoise train` with networks of few channels: `train_small.py PAIRS/ -o MODEL.safetensors ...`."""

import sys

import small

from mcdenoise import networks
from mcdenoise.__main__ import main

build = networks.build
networks.build = lambda name, given: build(name, given or small.recipe(name))
sys.exit(main(["train", *sys.argv[1:]]))
