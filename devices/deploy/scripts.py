"""What runs on the board besides the bundle's own installer; each gets PREFIX as its first word.

Each leaves what it has not finished under a name that ends in its process's number, and clears
away such leftovers of processes that are gone.
"""

__all__ = ["COMPARE", "IMAGES", "INSTALL", "PROBE", "SELFTEST"]

PROBE = """
import hashlib, json, os, platform, struct, sys
def content(*parts):
    try:
        with open(os.path.join(*parts), "rb") as stream:
            return stream.read()
    except OSError:
        return None
prefix = os.path.abspath(os.path.expanduser(sys.argv[1]))
sums = content(prefix, "current", "SHA256SUMS")
model = content("/proc/device-tree/model")
print(json.dumps({
    "prefix": prefix,
    "python": "%d.%d" % sys.version_info[:2],
    "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
    "libc": platform.libc_ver(),
    "board": model and model.rstrip(b"\\0").decode("utf-8", "replace"),
    "installed": sums and hashlib.sha256(sums).hexdigest(),
    "has_images": os.path.isdir(os.path.join(prefix, "photos", sys.argv[2])),
}))
"""
"""A Python program; PREFIX, a set of images: what the board is and has, as JSON."""

_INCOMING = r"""
set -eu
prefix=$1
mkdir -p "$prefix"
cd "$prefix"
for old in .incoming-*; do
    kill -0 "${old##*-}" 2>/dev/null || rm -rf "$old"
done
incoming=.incoming-$$
undo() {
    status=$?
    trap '' HUP INT TERM
    cd "$prefix" && rm -rf "$incoming"
    rmdir "$prefix/photos" "$prefix" 2>/dev/null || :
    exit "$status"
}
trap undo EXIT
trap 'exit 2' HUP INT TERM
mkdir "$incoming"
"""

INSTALL = (
    _INCOMING
    + r"""
tar -xzf - -C "$incoming" || { echo "error: the bundle did not come whole" >&2; exit 2; }
shift
sh "$incoming"/*/install.sh "$@" "$prefix" >&2
"$prefix/bin/tinyedge" selftest --json
"""
)
"""PREFIX, options of install.sh; the bundle's .tar.gz comes in: installs it and tests again."""

IMAGES = (
    _INCOMING
    + r"""
tar -xf - -C "$incoming" || { echo "error: the photos did not come whole" >&2; exit 2; }
rm -rf photos
mkdir photos
mv "$incoming" "photos/$2"
"""
)
"""PREFIX, the set's identity; a tar comes in: the only set of images there from then on."""

SELFTEST = 'exec "$1/bin/tinyedge" selftest --json'
"""PREFIX."""

COMPARE = (
    'exec "$1/bin/tinyedge" compare "$1/models/$2" "$1/models/$3" --data "$1/photos/$4"'
    ' --device "$1/current/$5" --json'
)
"""PREFIX, FLOAT, INT8, the set's identity, the profile's file."""
