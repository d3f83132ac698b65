"""Scenes from files that the project trains or validates on: what they are, and whom to thank."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Credit:
    """Where a scene comes from. All but one are from Benedikt Bitterli's rendering resources."""

    title: str
    author: str
    licence: str


CREDITS = {
    "bathroom": Credit("Contemporary Bathroom", "Mareck", "CC0"),
    "car2": Credit("Pontiac GTO 67", "thecali", "CC0"),
    "classroom": Credit("Japanese Classroom", "NovaZeeke", "CC-BY 3.0"),
    "cornell-box": Credit("Cornell Box", "Benedikt Bitterli", "CC0"),
    "dining-room": Credit("The Breakfast Room", "Wig42", "CC-BY 3.0"),
    "glass-of-milk": Credit(
        "Glass of Milk", "its author, scenes/README.md of path-guiding scenes", "free for any use"
    ),
    "living-room": Credit("The Grey & White Room", "Wig42", "CC-BY 3.0"),
    "spaceship": Credit("4060.b Spaceship", "thecali", "CC0"),
    "staircase": Credit("The Wooden Staircase", "Wig42", "CC-BY 3.0"),
    "staircase2": Credit("Modern Hall", "NewSee2l035", "CC-BY 3.0"),
    "veach-bidir": Credit("Veach, Bidir Room", "Benedikt Bitterli", "CC0"),
}

# Never trained on; their frames decide between designs. Test scenes are others still, kept elsewhere.
VALIDATION = ("bathroom", "dining-room")
