"""Channel names -> planes: which channels of a file are color, albedo, normal and depth."""

# How we write a plane ourselves, and what any renderer may write to make a pair for us.
OWN_CHANNELS = {
    "color": ("R", "G", "B"),
    "albedo": ("albedo.R", "albedo.G", "albedo.B"),
    "normal": ("normal.X", "normal.Y", "normal.Z"),
    "depth": ("depth.Z",),
}
