"""What runs on the board besides the bundle's own installer; each gets PREFIX as its first word.

Each leaves what it has not finished under a name that ends in its process's number, and clears
away such leftovers of processes that are gone.
"""

__all__ = [
    "COMPARE",
    "IMAGES",
    "INSTALL",
    "PROBE",
    "PROBE_PYTHON",
    "ROLLBACK",
    "ROLLBACK_PYTHON",
    "SELFTEST",
]

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

# Of any Python since 2.7: too old a one is to say so. Nothing is imported from the login's folder.
PROBE_PYTHON = """
import sys
sys.path = [place for place in sys.path if place]
import hashlib, json, os, platform, struct, tempfile
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
def memory():
    for line in (content("/proc/meminfo") or b"").splitlines():
        if line.startswith(b"MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
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
    "memory": memory(),
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
    "prefix=$1 float=$2 int8=$3 photos=$4 profile=$5; shift 5\n"
    'exec "$prefix/bin/tinyedge" compare "$prefix/models/$float" "$prefix/models/$int8"'
    ' --data "$prefix/photos/$photos" --device "$prefix/current/$profile" --json "$@"'
)
"""PREFIX, FLOAT, INT8, the set's identity, the profile's file; options of ``compare``."""

ROLLBACK = r"""
command -v python3 >/dev/null 2>&1 || { echo "error: it has no python3" >&2; exit 2; }
exec python3 -c "$1" "$2" </dev/null
"""
"""`ROLLBACK_PYTHON`, PREFIX: puts the bundle before into use, and says which, as JSON."""

# All that can fail is tried before a link moves. Killed between the two, `before` leads to what is
# in use and `.other` to what was: the next goes on from there.
ROLLBACK_PYTHON = """
import sys
sys.path = [place for place in sys.path if place]
import json, os, subprocess
prefix = os.path.abspath(os.path.expanduser(sys.argv[1]))
def fail(reason):
    sys.exit("error: %s" % reason)
def link(name):
    try:
        return os.readlink(os.path.join(prefix, name))
    except OSError:
        return None
def put(name, target):
    made = os.path.join(prefix, ".%s.%d" % (name, os.getpid()))
    os.symlink(target, made)
    os.replace(made, os.path.join(prefix, name))
current, before = link("current"), link("before")
if before == current:
    before = link(".other")
if current is None:
    fail("no bundle is installed in %s" % prefix)
if before in (None, current) or not os.path.isfile(os.path.join(prefix, before, "bundle.json")):
    fail("there is no bundle before the one in use: %s" % os.path.basename(current))
older = os.path.join(prefix, before)
try:
    tested = subprocess.run(
        [os.path.join(older, "bin", "tinyedge"), "selftest", older, "--json"], capture_output=True
    )
    if tested.returncode:
        said = tested.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        reason = said[0] if said else "its models answer otherwise"
        fail("nothing was changed: %s does not pass its self-test: %s" % (before, reason))
    answer = json.loads(tested.stdout.decode())
    with open(os.path.join(older, "bundle.json"), encoding="utf-8") as stream:
        models = [os.path.basename(model["file"]) for model in json.load(stream)["models"]]
except OSError as error:
    fail("nothing was changed: %s: %s" % (error.filename, error.strerror))
except (ValueError, KeyError, TypeError):
    fail("nothing was changed: %s, or what its self-test says, is damaged" % before)
try:
    put(".other", current)
    put("current", before)
    put("before", current)
    os.remove(os.path.join(prefix, ".other"))
except OSError as error:
    fail("%s: %s" % (error.filename, error.strerror))
unit = "tinyedge-watch.service"
for manager in ([], ["--user"]):
    try:
        asked = subprocess.run(
            ["systemctl", *manager, "is-active", "--quiet", unit], stderr=subprocess.DEVNULL
        )
    except OSError:
        break
    if asked.returncode == 0:
        words = " ".join(["systemctl", *manager, "restart", unit])
        print("note: %s runs what it was started with until: %s" % (unit, words), file=sys.stderr)
print(json.dumps({
    "back_to": os.path.basename(before),
    "was": os.path.basename(current),
    "models": models,
    "selftest": answer,
}))
"""
"""The program in Python that `ROLLBACK` runs; PREFIX."""
