#!/usr/bin/env bash
# What docs/blender.md says for studios and farms, in a real Blender: serves the zips of FOLDER as a repository,
# installs from it, renders three frames, denoises them, and fails where one is missing.
# tests/blender_repository.sh CHROOT FOLDER     (blender_window.sh makes the chroot)
set -euo pipefail
chroot_folder=$1 zips=$2
inside=$(mktemp -d "$chroot_folder/tmp/repository.XXXX")
trap 'rm -rf "$inside"' EXIT
mkdir "$inside/repository"
cp "$zips"/*.zip "$inside/repository"
cat > "$inside/make_shot.py" <<'END'
import bpy
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
scene.render.resolution_x = scene.render.resolution_y = 64
scene.frame_end, scene.render.filepath = 3, "//shot."
bpy.ops.mcdenoise.set_up_output()
bpy.ops.wm.save_as_mainfile(filepath="shot.blend")
END
cat > "$inside/all" <<'END'
set -euo pipefail
cd "$HOME"
denoise() { blender -b shot.blend --python-exit-code 1 --python-expr "import bpy; bpy.ops.mcdenoise.denoise_sequence()"; }
blender --command extension server-generate --repo-dir=repository --html
ls repository/index.json repository/index.html
python3 -m http.server --directory repository 8765 & trap "kill $!" EXIT
sleep 2
blender --online-mode --command extension repo-add --url http://127.0.0.1:8765/index.json studio
blender --online-mode --command extension sync
blender --online-mode --command extension install --sync --enable mcdenoise
blender -b --python-exit-code 1 --python make_shot.py
blender -b shot.blend -a
denoise
test "$(ls denoised | wc -l)" = 3
rm shot.0002.exr denoised/shot.0002.exr denoised/shot.0003.exr
if denoise; then echo "a missing frame wasn't told"; exit 1; fi
test "$(echo denoised/*)" = "denoised/shot.0001.exr denoised/shot.0003.exr"
END
chroot "$chroot_folder" env HOME="${inside#"$chroot_folder"}" bash "${inside#"$chroot_folder"}/all" > "$inside/log" 2>&1 \
  || { tail -30 "$inside/log"; exit 1; }
grep -E 'written|Installed|STATUS' "$inside/log" || true
echo passed
