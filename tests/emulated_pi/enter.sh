# Starts a program inside an emulated board; run by EmulatedPi.command in namespaces of its own.
#
#     enter.sh FOLDER ROOT QEMU ELF MODEL DIRECTORY SHARED... -- WORD...
#
# FOLDER is the cache; ROOT is the board's file system, relative to it, as overlayfs's options
# cannot hold every path.
set -eu
cd "$1"
root=$2 qemu=$3 elf=$4 model=$5 directory=$6
shift 6

mkdir -p mount
mount -t tmpfs -o mode=755 tmpfs mount
mkdir mount/changes mount/work mount/guest
mount -t overlay -o "lowerdir=$root,upperdir=mount/changes,workdir=mount/work,userxattr" \
    overlay mount/guest
guest=$PWD/mount/guest

mkdir -p "$guest/proc" "$guest/sys" "$guest/dev" "$guest/tmp" "$guest/root"
chmod 1777 "$guest/tmp"
for kernel in proc sys dev; do
    mount --rbind "/$kernel" "$guest/$kernel"
done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$guest$1"
    else
        mkdir -p "$(dirname "$guest$1")"
        touch "$guest$1"
    fi
    mount --bind "$1" "$guest$1"
    shift
done
shift

# The emulator looks for every file here first (QEMU_LD_PREFIX).
mkdir "$guest/board"
if [ -n "$model" ]; then
    mkdir -p "$guest/board/proc/device-tree"
    printf '%s\0' "$model" > "$guest/board/proc/device-tree/model"
fi

# The F opens the emulator now, at its path out here.
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ":emulated-pi:M::$elf:$qemu:F" > /proc/sys/fs/binfmt_misc/register
unset OLDPWD PWD
exec unshare --root="$guest" --wd="$directory" -- "$@"
