#!/bin/sh
# Installs this bundle on the board it was made for:
#
#     sh install.sh [--service FOLDER [--root]] [PREFIX]
#
# PREFIX (default: ~/tinyedge) gets a folder per version and the link `current` to the one in
# use. A version is finished and tested before the link moves, in one step, so that an install
# that fails or is killed leaves what was there before; the next one clears up behind it.
#
# --service FOLDER also starts a systemd service that classifies each photo that comes into
# FOLDER. `sudo sh install.sh` installs for the user who calls sudo: the files are theirs, and so
# the machine's service runs as them. Root's own service needs --root.
#
# Exit codes: 0 installed, 1 the self-test failed, 2 another error.
set -eu
# It would lead cd elsewhere, and have it print where.
unset CDPATH

device=@DEVICE@
python_version=@PYTHON@
architecture=@ARCHITECTURE@
debian_packages=@DEBIAN_PACKAGES@
model=@MODEL@
unit=tinyedge-watch.service

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $*"
    exit 2
}

service='' prefix='' as_root=''
while [ $# -gt 0 ]; do
    case $1 in
    --service)
        [ $# -gt 1 ] || fail "--service needs the folder to watch"
        service=$2
        shift
        ;;
    --root) as_root=yes ;;
    -h | --help)
        sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    -*) fail "unknown option $1; try --help" ;;
    *)
        [ -z "$prefix" ] || fail "one PREFIX, not '$prefix' and '$1'"
        prefix=$1
        ;;
    esac
    shift
done

# Whom it is for: root installs for the user who called sudo.
user=''
if [ "$(id -u)" = 0 ] && [ -z "$as_root" ]; then
    user=${SUDO_USER:-}
    [ "$user" != root ] || user=''
    case $user in *[!A-Za-z0-9._-]* | -*) fail "SUDO_USER, '$user', is no name of a user" ;; esac
    [ -z "$user" ] || id "$user" >/dev/null 2>&1 ||
        fail "SUDO_USER, '$user', is no user of this machine"
    [ -n "$user" ] || [ -z "$service" ] ||
        fail "a service does not run as root unless asked: log in as the user it is for" \
            "(sudo sh install.sh ... from there), or add --root"
fi
as_user() {
    if [ -n "$user" ]; then
        python3 -c 'import os, pwd, sys
user = pwd.getpwnam(sys.argv[1])
os.initgroups(user.pw_name, user.pw_gid)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
os.execvp(sys.argv[2], sys.argv[2:])' "$user" "$@"
    else
        "$@"
    fi
}

# A name that begins with - would be an option of cd's, or the folder it was in before.
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s/%s\n' "$(pwd)" "$1" ;; esac; }
here=$(cd "$(absolute "$(dirname "$0")")" && pwd)
if [ -z "$prefix" ]; then
    prefix=$(as_user sh -c 'printf %s "${HOME:?names no home: say where to install}"')/tinyedge
fi
prefix=$(absolute "$prefix")
[ -z "$service" ] || service=$(absolute "$service")
[ -z "$service" ] || as_user test -d "$service" -a -r "$service" -a -x "$service" ||
    fail "$service is no folder to watch${user:+ for $user}"
[ -z "$service" ] || service=$(cd "$service" && pwd)
# As the unit's text will be judged, before anything is installed. Without Python it ends below.
[ -z "$service" ] || ! command -v python3 >/dev/null ||
    python3 -c 'import sys; sys.exit(not sys.argv[1].isprintable())' "$service" ||
    fail "the folder to watch has a name that cannot stand in a systemd unit: rename it"
# They would be read by a shell once more, in the first lines that pip gives its programs.
case $prefix in
*[\"\$\`\\]* | *'
'*) fail "$prefix: a shell takes some of its characters for something else: choose another folder" ;;
esac

start_service() {
    if [ "$(id -u)" = 0 ]; then
        folder=/etc/systemd/system manager='' kind="system $user"
    else
        folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user manager=--user kind=session
    fi
    # Not of $prefix/bin: Python looks for its environment beside the folder it is started from.
    # shellcheck disable=SC2086 # one word or two
    text=$(as_user "$prefix/current/bin/python" -P -m tinyedge.devices.bundle.service \
        "$prefix" "$service" $kind) || fail "tinyedge is installed, its service is not (see above)"
    mkdir -p "$folder" && printf '%s\n' "$text" >"$folder/.$unit.$$" &&
        mv -f "$folder/.$unit.$$" "$folder/$unit" ||
        fail "tinyedge is installed, its service is not: cannot write $folder/$unit"
    # There where systemd manages this machine: sd_booted(3).
    if ! [ -d /run/systemd/system ] || ! command -v systemctl >/dev/null; then
        say "note: wrote $folder/$unit; systemd does not run here, so it is not started"
        return
    fi
    for words in daemon-reload "enable $unit" "restart $unit"; do
        # shellcheck disable=SC2086 # none or one word, one word or two
        systemctl $manager $words >&2 ||
            fail "tinyedge is installed, its service is not: systemctl $manager $words"
    done
    say "started $unit, watching $service; its answers: journalctl ${manager:+$manager }-fu $unit"
    [ -z "$manager" ] || say "note: to run it while nobody is logged in: loginctl enable-linger"
}

if [ -n "$user" ]; then
    as_user test -r "$0" || fail "$user may not read this bundle: put it where they can"
    if ! [ -e "$prefix" ] && ! as_user mkdir -p "$prefix" 2>/dev/null; then
        mkdir -p "$prefix" && chown "$user" "$prefix" || fail "cannot make $prefix"
    fi
    as_user env TINYEDGE_FOR_SUDO=yes sh "$0" "$prefix" || exit $?
    [ -z "$service" ] || start_service
    exit 0
fi

sums=$(cd "$here" && sha256sum -c SHA256SUMS 2>&1) || {
    say "$sums" | sed '/: OK$/d' >&2
    fail "this bundle is damaged or incomplete: copy it here again"
}

# Is this the board? A command of that name may be a shim that only says it is not there. -I, as -P
# below, which Python has since 3.11: the folder this is run in is no place to import from.
python='' found=''
for candidate in "python$python_version" python3; do
    seen=$("$candidate" -I -c 'import platform, struct, sys
print("%d.%d" % sys.version_info[:2], platform.machine(), 8 * struct.calcsize("P"))' 2>/dev/null) ||
        continue
    found=$seen
    case $found in
    @ACCEPTED@)
        python=$candidate
        break
        ;;
    esac
done
[ -n "$found" ] || fail "Python is missing: sudo apt install python3 python3-venv"
case $found in
*" armv6l "*)
    fail "no TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1)"
    ;;
esac
[ -n "$python" ] ||
    fail "this bundle is for Python $python_version on $architecture, here is Python $found-bit:" \
        "make another on the computer (tinyedge bundle --help: --os, --python, --architecture)"
for package in $debian_packages; do
    module=${package#python3-}
    [ "$module" != pil ] || module=PIL
    "$python" -P -c "import $module" 2>/dev/null ||
        fail "there is no wheel of $package for this board: sudo apt install $debian_packages"
done

mkdir -p "$prefix/versions" || fail "cannot write $prefix"
prefix=$(cd "$prefix" && pwd)
for link in bin models current before; do
    [ ! -e "$prefix/$link" ] || [ -L "$prefix/$link" ] ||
        fail "$prefix/$link is there already and is not tinyedge's: choose another folder"
done
name=$(date +%Y%m%d-%H%M%S)-$$
version=$prefix/versions/$name
before=$(readlink "$prefix/current" || true)
# What a rollback goes to: what is in use now, or where that is this very bundle what it went to.
back=$before
if cmp -s "$prefix/current/SHA256SUMS" "$here/SHA256SUMS"; then
    back=$(readlink "$prefix/before" || true)
fi

# What an install left that was killed; a name ends in the number of the process that made it.
clear_up() {
    for old in "$prefix"/versions/*-*; do
        case versions/${old##*/} in "$before" | "$back" | "versions/$name") continue ;; esac
        kill -0 "${old##*-}" 2>/dev/null || rm -rf "$old"
    done
    for old in "$prefix"/.current.* "$prefix"/.before.*; do
        kill -0 "${old##*.}" 2>/dev/null || rm -f "$old"
    done
}
undo() {
    status=$?
    trap '' HUP INT PIPE TERM
    rm -rf "$version" "$prefix/.current.$$" "$prefix/.before.$$"
    rmdir "$prefix/versions" "$prefix" 2>/dev/null || true
    if [ -n "$before" ]; then
        say "nothing was changed: $prefix is as it was"
    else
        say "nothing was installed"
    fi
    exit "$status"
}
clear_up
trap undo EXIT
trap 'exit 2' HUP INT PIPE TERM

say "installing tinyedge for $device into $prefix"
"$python" -P -m venv --without-pip @VENV_OPTIONS@ "$version" >&2 ||
    fail "no virtual environment could be made; if Python lacks venv: sudo apt install python3-venv"
# pip runs out of its own wheel, so that the board needs neither pip nor ensurepip.
set -- "$here"/wheels/pip-*.whl
"$version/bin/python" "$1/pip" --isolated install --quiet --no-input \
    --disable-pip-version-check --no-cache-dir --root-user-action=ignore --no-deps \
    --no-compile --require-hashes @INDEX_OPTIONS@ --find-links "$here/wheels" \
    -r "$here/requirements.txt" >&2 || fail "the packages could not be installed (see above)"
cp -R "$here/models" "$here/selftest" "$here/profile" "$here/bundle.json" "$here/SHA256SUMS" \
    "$version/" || fail "the models could not be copied (see above)"
# Of the other packages the self-test compiles what it imports, the rest is never used; of tinyedge
# all, for users who may not write here.
"$version/bin/python" -P -m compileall -q "$version"/lib/python*/site-packages/tinyedge >&2 ||
    fail "tinyedge could not be compiled (see above)"
"$version/bin/tinyedge" selftest "$version" || {
    status=$?
    say "error: the self-test failed"
    exit $((status == 1 ? 1 : 2))
}

# On the disk before it is in use, whatever happens to the power.
sync
if [ -n "$back" ]; then
    ln -s "$back" "$prefix/.before.$$"
    mv -fT "$prefix/.before.$$" "$prefix/before"
fi
ln -s "versions/$name" "$prefix/.current.$$"
mv -fT "$prefix/.current.$$" "$prefix/current"
trap - EXIT HUP INT PIPE TERM
for link in bin models; do
    [ -L "$prefix/$link" ] || ln -s "current/$link" "$prefix/$link"
done
# The version before stays until the next install: a service may still be running from it, and
# `tinyedge deploy --rollback` goes back to it.
clear_up
say "installed: $prefix/bin/tinyedge run $prefix/$model PHOTO"
if [ -n "$service" ]; then
    start_service
elif [ -z "${TINYEDGE_FOR_SUDO:-}" ]; then
    for manager in '' --user; do
        # shellcheck disable=SC2086 # none or one word
        systemctl $manager is-active --quiet "$unit" 2>/dev/null || continue
        say "note: $unit runs what it was started with: install with --service"
    done
fi
exit 0
