#!/bin/bash
# Install the device into a Debian of its own, boot that as an emulated machine, and see what the unit does there.
#
#   boot_test.sh DIR        needs root on Debian, a network, 4 GB in DIR; some minutes, of which the first time two more
#
# Ends with 0 when every line that the machine said begins with "ok". DIR/boot.log has all that was said.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
suite=bookworm packages=systemd,systemd-sysv,udev,dbus,kmod,python3,python3-venv,mosquitto,openssl,iproute2,initramfs-tools,linux-image-amd64

"$project/firmware_config/apt_need.sh" debootstrap:debootstrap qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs
if [ ! -e "$dir/base.tar" ]; then
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -v security | head -1)
    [ -e "$dir/root/etc/debian_version" ] ||
        debootstrap --variant=minbase --include="$packages" "$suite" "$dir/root" "$mirror" >"$dir/debootstrap.log"
    tar -C "$dir/root" -cf "$dir/base.tar.new" .
    mv "$dir/base.tar.new" "$dir/base.tar"
fi
if [ ! -e "$dir/wheelhouse" ]; then
    python3 -m venv "$dir/venv"
    "$dir/venv/bin/pip" wheel -q --wheel-dir "$dir/wheelhouse.new" --python-version 3.11 --only-binary=:all: "$project" 2>/dev/null ||
        "$dir/venv/bin/pip" wheel -q --wheel-dir "$dir/wheelhouse.new" "$project"
    "$dir/venv/bin/pip" wheel -q --wheel-dir "$dir/wheelhouse.new" setuptools wheel
    rm -f "$dir"/wheelhouse.new/leukoscope-*.whl
    mv "$dir/wheelhouse.new" "$dir/wheelhouse"
fi

rm -rf "$dir/root" && mkdir "$dir/root"
root=$dir/root
tar -C "$root" -xf "$dir/base.tar"
mkdir -p "$root/srv/leukoscope" "$root/srv/wheelhouse" "$root/etc/credstore"
tar -C "$project" --exclude=./.venv* --exclude=./.git --exclude=./runs --exclude=__pycache__ -cf - . | tar -C "$root/srv/leukoscope" -xf -
cp "$dir"/wheelhouse/*.whl "$root/srv/wheelhouse"
cp "$here/guest.sh" "$here/probe.py" "$root/srv/"
# What the daemon must never see.
echo "a secret of root" | tee "$root/etc/secret" "$root/var/lib/secret" "$root/home/secret" "$root/boot/secret" >/dev/null
chmod 644 "$root"/{etc,var/lib,home,boot}/secret
echo "127.0.0.1 localhost" >"$root/etc/hosts" # which the Debian installer writes, and debootstrap does not
(cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./tmp -o -path ./root \) -prune -o -print | sort) >"$root/srv/before"

in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
in_root /srv/leukoscope/firmware_config/install.sh --wheelhouse /srv/wheelhouse --broker local
sed -i 's/^# kind = "usb".*/kind = "simulated"/' "$root/etc/leukoscope/leukoscope.toml" # no microscope here
site=$(echo "$root"/opt/leukoscope/.venv/lib/python3.*/site-packages)
cp "$here/probe.py" "$site/boot_probe.py"
echo "import boot_probe" >"$site/boot_probe.pth"
printf 'hunter2\n' >"$root/etc/credstore/leukoscope.mqtt-password"
printf 'of another service\n' >"$root/etc/credstore/another"
chmod 600 "$root"/etc/credstore/*
sed -i 's/^WatchdogSec=.*/WatchdogSec=15/' "$root/etc/systemd/system/leukoscope.service" # a shorter wait, no other change
cat >"$root/etc/systemd/system/boot-test.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /srv/guest.sh
ExecStopPost=/bin/systemctl poweroff --force
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
[Install]
WantedBy=graphical.target
END
ln -sf /etc/systemd/system/boot-test.service "$root/etc/systemd/system/multi-user.target.wants/boot-test.service"

kernel=$(echo "$root"/boot/vmlinuz-*)
cp "$kernel" "$dir/kernel"
cp "$root"/boot/initrd.img-* "$dir/initrd"
rm -f "$dir/root.img"
mke2fs -q -t ext4 -d "$root" "$dir/root.img" 3000M
# The usual processor has no SSE 4.1, which NumPy and OpenCV take for granted. Of AVX2, QEMU 7.2 reads what a masked load
# leaves out: NumPy's last numbers of an array at the end of a page then end the process.
accel=(-accel tcg -cpu "max,avx2=off")
if [ "${KVM:-yes}" = yes ] && timeout 60 qemu-system-x86_64 -accel kvm -cpu host -m 256 -display none -no-reboot -kernel "$dir/kernel" \
    -serial "file:$dir/kvm.log" -append "console=ttyS0 panic=-1" && grep -q "Kernel panic" "$dir/kvm.log"; then
    accel=(-accel kvm -cpu host)
fi
echo "booting with ${accel[*]}"
timeout 900 qemu-system-x86_64 "${accel[@]}" -smp 2 -m 1024 -display none -serial "file:$dir/boot.log" -no-reboot -nic none \
    -kernel "$dir/kernel" -initrd "$dir/initrd" -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check systemd.show_status=no" \
    -drive "file=$dir/root.img,format=raw,if=virtio" </dev/null
tr -d '\r' <"$dir/boot.log" | grep -E '^(ok|FAIL|--)' || true
grep -q '^ok: all' "$dir/boot.log" && ! grep -q '^FAIL' "$dir/boot.log"
