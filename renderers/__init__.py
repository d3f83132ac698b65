"""The harness: renders pairs of independent low-spp HDR frames with albedo, normal and depth."""
