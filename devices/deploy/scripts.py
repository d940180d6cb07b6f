"""What runs on the board besides the bundle's own installer; each gets PREFIX as its first word.

Each leaves what it has not finished under a name that ends in its process's number, and clears
away such leftovers of processes that are gone.
"""

__all__ = ["COMPARE", "IMAGES", "INSTALL", "PROBE", "PROBE_PYTHON", "SELFTEST"]

# A .tar.gz of nothing: what unpacks it unpacks a bundle.
_EMPTY_TAR = (
    r"\037\213\010\000\000\000\000\000\002\003\143\140\030\005\243\140\024\214\124\000"
    r"\000\056\257\265\357\000\004\000\000"
)

PROBE = rf"""
fail() {{
    printf 'error: %s\n' "$*" >&2
    exit 2
}}
command -v python3 >/dev/null 2>&1 ||
    fail "it has no python3: sudo apt install python3 python3-venv"
for tool in tar sha256sum sed date readlink ln mv cp rm mkdir rmdir; do
    command -v "$tool" >/dev/null 2>&1 || fail "it has no $tool, which an install needs"
done
printf '{_EMPTY_TAR}' | tar -tzf - >/dev/null 2>&1 ||
    fail "its tar cannot unpack a .tar.gz: install GNU tar and gzip, or BusyBox with both"
exec python3 -c "$1" "$2" "$3" </dev/null
"""
"""`PROBE_PYTHON`, PREFIX, a set of images: what the board is and has, as JSON."""

# Of any Python since 2.7: too old a one is to say so.
PROBE_PYTHON = """
import hashlib, json, os, platform, struct, sys, tempfile
def content(*parts):
    try:
        with open(os.path.join(*parts), "rb") as stream:
            return stream.read(1 << 20)
    except (IOError, OSError):
        return None
def has(module):
    try:
        from importlib.util import find_spec
    except ImportError:
        return False
    return find_spec(module) is not None
def libc():
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()[:2]
        return name, version
    except (AttributeError, OSError, ValueError):
        return platform.libc_ver()
def problem(there):
    if hasattr(os, "ST_NOEXEC") and os.statvfs(there).f_flag & os.ST_NOEXEC:
        return "cannot run programs from %s: it is mounted noexec" % there
    try:
        folder = tempfile.mkdtemp(prefix=".tinyedge-probe-", dir=there)
        try:
            with open(os.path.join(folder, "probe"), "wb") as stream:
                stream.write(b"." * (1 << 16))
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
    except (IOError, OSError) as error:
        return "cannot write %s: %s" % (there, error.strerror or error)
    for module in ("venv", "zlib"):
        if sys.version_info >= (3, 11) and not has(module):
            return "Python there lacks %s: sudo apt install python3-venv" % module
    return None
prefix = os.path.abspath(os.path.expanduser(sys.argv[1]))
there = prefix
while not os.path.exists(there):
    there = os.path.dirname(there)
disk = os.statvfs(there)
sums = content(prefix, "current", "SHA256SUMS")
model = content("/proc/device-tree/model")
print(json.dumps({
    "prefix": prefix,
    "python": "%d.%d" % sys.version_info[:2],
    "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
    "libc": libc(),
    "board": model and model.rstrip(b"\\0").decode("utf-8", "replace"),
    "installed": sums and hashlib.sha256(sums).hexdigest(),
    "has_images": os.path.isdir(os.path.join(prefix, "photos", sys.argv[2])),
    "is_root": os.geteuid() == 0,
    "free": disk.f_bavail * disk.f_frsize,
    "modules": [name for name in ("numpy", "PIL") if has(name)],
    "problem": problem(there),
}))
"""
"""The program in Python that `PROBE` runs; PREFIX, a set of images."""

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
    trap '' HUP INT PIPE TERM
    cd "$prefix" && rm -rf "$incoming"
    rmdir "$prefix/photos" "$prefix" 2>/dev/null || :
    exit "$status"
}
trap undo EXIT
trap 'exit 2' HUP INT PIPE TERM
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
