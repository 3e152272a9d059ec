#!/bin/bash
# Ask a 64-bit Arm machine, emulated, for its answers to a folder of pictures (see benchmarks/answers.py).
#
#   arm64.sh DIR FOLDER > answers.json     needs qemu-system-aarch64 and cpio; 2.5 GB of memory, a minute or two
#   arm64.sh DIR                           lays the machine out in DIR: root on Debian, a network, 1 GB, minutes
#
# DIR/root is an Arm Debian with python3, what we depend on in /site; DIR/kernel an unpacked linux-image-arm64. The
# root is handed to the kernel as its initial RAM disk: no disk, no drivers. It tells what is answered and what memory
# that takes, and nothing about how fast a Pi is.
set -euo pipefail
project=$(cd "$(dirname "$0")/../../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
suite=trixie python=3.13

lay_out() {
    "$project/firmware_config/apt_need.sh" debootstrap:debootstrap qemu-system-aarch64:qemu-system-arm cpio:cpio >&2
    local mirror options image requirements
    rm -rf "$dir/root" "$dir/kernel" # what an attempt before this one left half done
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -v security | head -1)
    debootstrap --arch=arm64 --variant=minbase --foreign --include=python3 "$suite" "$dir/root" "$mirror" >&2
    # Unpacked and not configured: nothing of it runs but Python.
    for package in "$dir"/root/var/cache/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$dir/root"
        rm "$package"
    done
    for mounted in proc sys dev; do # where debootstrap may have left links
        rm -rf "${dir:?}/root/$mounted"
        mkdir "$dir/root/$mounted"
    done
    mapfile -t requirements < <(python3 - "$project/setup.cfg" <<'END'
import configparser, sys
setup = configparser.ConfigParser()
setup.read(sys.argv[1])
print(setup["options"]["install_requires"].strip())
END
    )
    options=(--only-binary=:all: --implementation cp --python-version "$python" --abi "cp${python/./}" --abi abi3 --abi none)
    for glibc in 17 27 28 31 34 36; do options+=(--platform "manylinux_2_${glibc}_aarch64"); done
    options+=(--platform manylinux2014_aarch64 --platform any)
    python3 -m pip install --quiet --target "$dir/root/site" "${options[@]}" "${requirements[@]}" >&2
    options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$dir/lists" -o APT::Sandbox::User=root)
    mkdir -p "$dir/lists/partial"
    apt-get "${options[@]}" update --quiet=2 >&2
    image=$(apt-cache "${options[@]}" depends linux-image-arm64 | awk '/Depends: linux-image/ { print $2; exit }')
    (cd "$dir" && apt-get "${options[@]}" download --quiet=2 "$image" >&2)
    dpkg-deb -x "$dir"/linux-image-*.deb "$dir/kernel"
    rm -r "$dir"/linux-image-*.deb "$dir/lists"
}

if [ ! -d "$dir/root/site" ] || [ ! -d "$dir/kernel/boot" ]; then lay_out; fi
[ $# -ge 2 ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/srv/pictures" "$work/srv/project"
cp "$2"/* "$work/srv/pictures"
cp -r "$project/edge" "$project/benchmarks" "$work/srv/project"
cat >"$work/init" <<'END'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONPATH=/srv/project:/site
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
cd /srv/project
python3 -m benchmarks.answers /srv/pictures >/tmp/answers 2>/tmp/complaint || sed 's/^/complaint: /' /tmp/complaint
sed 's/^/answers: /' /tmp/answers
echo o >/proc/sysrq-trigger
sleep 60
END
chmod +x "$work/init"
# Two archives, one after the other, are one to the kernel; the second wins.
(cd "$dir/root" && find . -xdev \( -path ./usr/share/doc -o -path ./usr/share/locale -o -path ./var/cache \) -prune -o -print |
    cpio --quiet -o -H newc) >"$work/ram"
(cd "$work" && find init srv | cpio --quiet -o -H newc) >>"$work/ram"
timeout 540 qemu-system-aarch64 -M virt -cpu cortex-a53 -smp 2 -m 2048 -nographic -no-reboot -net none \
    -kernel "$dir"/kernel/boot/vmlinuz-* -initrd "$work/ram" -append "console=ttyAMA0 quiet panic=-1" \
    </dev/null >"$work/log" 2>&1 || true
if ! grep -q '^answers: {' "$work/log"; then
    tail -n 20 "$work/log" >&2
    exit 1
fi
sed -n 's/^answers: //p' "$work/log" | tr -d '\r'
