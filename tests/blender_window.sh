#!/usr/bin/env bash
# A real Blender in a window of Xvfb, in a Debian chroot that is made once (minutes, 1.4 GB, as root):
# tests/blender_window.sh CHROOT ZIP PICTURES/     (SUITE=trixie: Blender 4.3; SUITE=sid: 5.2)
set -euo pipefail
chroot_folder=$1 zip=$2 pictures=$3
here=$(cd "$(dirname "$0")" && pwd)
if ! [ -x "$chroot_folder/usr/bin/blender" ]; then
  # A mirror may lag behind: signatures are looked at, dates aren't.
  mmdebstrap --aptopt='Acquire::Check-Valid-Until "false"' --variant=minbase --mode=root --include=blender,xvfb,xauth,libgl1-mesa-dri,xdotool,imagemagick,python3-numpy,python3-cattr,python3-requests,python3-zstandard,procps,ca-certificates \
    "${SUITE:-trixie}" "$chroot_folder"
fi
inside=$(mktemp -d "$chroot_folder/tmp/window.XXXX")
trap 'rm -rf "$inside"' EXIT
cp "$zip" "$here/blender_window.py" "$inside"
folder=${inside#"$chroot_folder"}
timeout 3000 chroot "$chroot_folder" env HOME="$folder" LIBGL_ALWAYS_SOFTWARE=1 XDG_RUNTIME_DIR="$folder" \
  xvfb-run -a -s "-screen 0 1280x800x24" bash -c "
    blender -b --python-expr 'import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()'
    blender --window-geometry 0 0 1280 800 --python $folder/blender_window.py -- $folder/$(basename "$zip") $folder & blender=\$!
    while kill -0 \$blender 2>/dev/null; do
      if [ -e $folder/press-now ]; then rm $folder/press-now; xdotool mousemove 300 400 key Escape; fi
      sleep 0.3
    done" > "$inside/log" 2>&1 || true
mkdir -p "$pictures"
cp "$inside"/*.png "$pictures" 2>/dev/null || true
if ! [ -e "$inside/passed" ]; then cat "$inside/failed" 2>/dev/null || tail -20 "$inside/log"; exit 1; fi
grep '^window:' "$inside/log"
echo "passed; pictures in $pictures"
