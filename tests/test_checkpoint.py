"""Model files: whole, the same for the same content, and refused in one line where they are none of ours."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import small
import torch

from mcdenoise import checkpoint, networks
from mcdenoise.errors import ModelError

TENSORS = {"b": torch.arange(3.0), "a": torch.ones(2, 2)}


def save(path: Path) -> Path:
    checkpoint.save_model(path, small.network("kpn"), {"steps": 3, "scenes": ["one", "two"]})
    return path


def with_metadata(path: Path, metadata: dict[str, str] | None) -> Path:
    safetensors.torch.save_file(TENSORS, path, metadata=metadata)
    return path


def about(path: Path, **changes: Any) -> Path:
    """A sound model about which something else is said."""
    tensors, said = checkpoint.read(save(path))
    checkpoint.write(path, tensors, {**said, **changes})
    return path


def test_tensors_and_what_is_said_about_them_come_back(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "x.safetensors", TENSORS, {"version": 1, "words": ["ä", 1.5, None]})

    tensors, said = checkpoint.read(tmp_path / "x.safetensors")

    assert said == {"version": 1, "words": ["ä", 1.5, None]}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = save(tmp_path / "one.safetensors"), save(tmp_path / "other.safetensors")
    assert one.read_bytes() == other.read_bytes()


def test_model_of_a_network_that_is_laid_out_channels_last_is_the_same_file(tmp_path: Path) -> None:
    network = small.network("kpn").to(memory_format=torch.channels_last)
    checkpoint.save_model(tmp_path / "one.safetensors", network, {"steps": 3, "scenes": ["one", "two"]})
    assert (tmp_path / "one.safetensors").read_bytes() == save(tmp_path / "other.safetensors").read_bytes()


def test_model_file_can_be_read_by_whoever_may_read_other_new_files(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert save(tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_loaded_model_has_its_files_name_and_card(tmp_path: Path) -> None:
    model = checkpoint.load_model(save(tmp_path / "show_v2.safetensors"))
    assert (model.name, model.card) == ("show_v2", {"steps": 3, "scenes": ["one", "two"]})
    assert not model.network.training


def test_loaded_model_has_the_sizes_it_was_saved_with(tmp_path: Path) -> None:
    network = networks.build("kpn", {"widths": [4, 8, 12, 16]})
    checkpoint.save_model(tmp_path / "model.safetensors", network, {})
    loaded = checkpoint.load_model(tmp_path / "model.safetensors").network
    assert loaded.recipe == {"widths": [4, 8, 12, 16]}
    sizes = [{key: value.shape for key, value in n.state_dict().items()} for n in (network, loaded)]
    assert sizes[0] == sizes[1]


def test_shipped_model_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "standard.safetensors")
    monkeypatch.setattr(checkpoint, "WEIGHTS", tmp_path)
    assert checkpoint.load_model("standard").name == "standard"


def test_unknown_model_is_an_error_that_names_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "standard.safetensors")
    monkeypatch.setattr(checkpoint, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match=r"^better: no such model; shipped are: standard; or give a file$"):
        checkpoint.load_model("better")


def no_safetensors(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 a pickled model of another program")
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def cut_off(path: Path) -> Path:
    path.write_bytes(save(path).read_bytes()[:-100])
    return path


def of_another_program(path: Path) -> Path:
    return with_metadata(path, {"format": "pt"})


def without_metadata(path: Path) -> Path:
    return with_metadata(path, None)


def garbled_metadata(path: Path) -> Path:
    return with_metadata(path, {checkpoint.KEY: "{"})


def metadata_of_another_kind(path: Path) -> Path:
    return with_metadata(path, {checkpoint.KEY: "[1]"})


def newer(path: Path) -> Path:
    return about(path, version=checkpoint.VERSION + 1)


def version_that_is_no_number(path: Path) -> Path:
    return about(path, version="new")


def unknown_network(path: Path) -> Path:
    return about(path, network="gan")


def recipe_of_another_network(path: Path) -> Path:
    return about(path, recipe={"depth": 3})


def recipe_of_other_sizes(path: Path) -> Path:
    return about(path, recipe={"widths": [4, 4, 4, 8]})


def training_state(path: Path) -> Path:
    checkpoint.write(path, TENSORS, {"version": checkpoint.VERSION, "step": 3, "settings": {}})
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_safetensors, "can't read this model: "),
        (empty, "can't read this model: "),
        (cut_off, "can't read this model: "),
        (of_another_program, "a safetensors file, but not one of mcdenoise"),
        (without_metadata, "a safetensors file, but not one of mcdenoise"),
        (garbled_metadata, "a safetensors file, but not one of mcdenoise"),
        (metadata_of_another_kind, "a safetensors file, but not one of mcdenoise"),
        (newer, "format version 2, this program reads 1; update mcdenoise"),
        (version_that_is_no_number, "a safetensors file, but not one of mcdenoise"),
        (unknown_network, "not a mcdenoise model: "),
        (recipe_of_another_network, "not a mcdenoise model: "),
        (recipe_of_other_sizes, "its weights don't fit this kpn; use the mcdenoise that trained it"),
        (training_state, "not a mcdenoise model: "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, make: Any, said: str) -> None:
    path = make(tmp_path / "model.safetensors")

    with pytest.raises(ModelError) as caught:
        checkpoint.load_model(path)

    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.safetensors: can't read this model: "):
        checkpoint.read(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_model_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / folder / "model.safetensors"

    with pytest.raises(ModelError, match=f"^{path}: can't write: .*; free some space or choose another"):
        save(path)

    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_metadata_is_one_json_value(tmp_path: Path) -> None:
    with safetensors.safe_open(save(tmp_path / "model.safetensors"), framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) == [checkpoint.KEY]
    said = json.loads(metadata[checkpoint.KEY])
    assert (said["version"], said["network"], said["recipe"]) == (1, "kpn", small.recipe("kpn"))
