#!/bin/sh
# Make this machine a Leukoscope, or undo that. Run it again to update; what is configured stays.
#
#   install.sh [install] [--root DIR] [--wheelhouse DIR] [--camera WHICH] [--broker local|network|none]
#              [--admin CODE] [--kiosk] [--no-start]
#   install.sh uninstall [--root DIR] [--purge]
#
#   --root DIR          into the file system of another machine, mounted at DIR
#   --wheelhouse DIR    take Python packages from this folder, without a network (see docs/install.md)
#   --camera WHICH      imx219, imx296, imx477, imx708 or ov5647, the sensor on a Pi's connector; or usb. It is written
#                       into the configuration, in place of the camera that is there (which stays as a comment)
#   --broker WHICH      local: on this device, for this device; network: for many, with TLS; none (the default)
#   --admin CODE        the first person who may use the page: an administrator of this code, whose PIN is asked for (or
#                       read from the standard input)
#   --kiosk             the page on the device's own display, full screen (with cage and Chromium)
#   --no-start          start nothing now
#   --purge             remove results, configuration and keys as well
set -eu

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

usage() {
    sed -n 's/^#   //p' "$0" >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
action=install root='' wheelhouse='' camera='' broker=none purge='' start=yes admin='' kiosk=''
case $0 in
    */uninstall.sh | uninstall.sh) action=uninstall ;; # the copy that an installation leaves
esac
case ${1:-} in
    install | uninstall) action=$1 && shift ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
        --root | --wheelhouse | --camera | --broker | --admin)
            [ $# -ge 2 ] || usage
            [ "$1$2" != --root ] || fail "--root: is empty; leave it out if this machine is meant"
            case $1 in
                --root) root=$2 ;;
                --wheelhouse) wheelhouse=$2 ;;
                --camera) camera=$2 ;;
                --broker) broker=$2 ;;
                --admin) admin=$2 ;;
            esac
            shift 2
            ;;
        --purge) purge=yes && shift ;;
        --kiosk) kiosk=yes && shift ;;
        --no-start) start= && shift ;;
        *) usage ;;
    esac
done
if [ -n "$root" ]; then
    root=$(cd "$root" && pwd) || fail "--root: there is no such folder"
    [ "$root" != / ] || root=
fi
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail "run it as root"
sensor=$camera
[ "$camera" != usb ] || sensor=
[ -z "$sensor" ] || [ -e "$here/boot/camera-$sensor.txt" ] ||
    fail "--camera $camera: is not known; known: $(cd "$here/boot" && echo camera-*.txt | sed 's/camera-//g; s/\.txt//g') usb"
case $admin in *[!A-Za-z0-9_.-]*) fail "--admin $admin: a code has letters, digits and - _ . only" ;; esac
case $broker in local | network | none) ;; *) fail "--broker $broker: is none of local, network, none" ;; esac
[ -z "$wheelhouse" ] || wheelhouse=$(cd "$wheelhouse" && pwd) || fail "--wheelhouse: there is no such folder"

opt=/opt/leukoscope
manifest=$root$opt/installed # a line for each thing that is to go again: file, folder or kept, and its path
begin='# leukoscope: begin' end='# leukoscope: end'

# Whether systemd runs here and is meant.
alive() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# lack SENTENCE: what is missing holds up nothing else, and is said at the end.
lack() { failed="${failed:-}
$1"; }

note() { grep -qxF "$1 $2" "$manifest" 2>/dev/null || echo "$1 $2" >>"$manifest"; }

# folder PATH: make it, with those above it, and note which were not there.
folder() {
    [ ! -d "$root$1" ] || return 0
    case $1 in
        /*/*) folder "${1%/*}" ;;
    esac
    mkdir -m 755 "$root$1"
    if [ -e "$manifest" ]; then note folder "$1"; else pending="$pending $1"; fi
}

# put MODE SOURCE PATH: a file of ours; the new version takes the old one's place in one step.
put() {
    folder "${3%/*}"
    note file "$3"
    cmp -s "$2" "$root$3" || { cp "$2" "$root$3.new" && mv "$root$3.new" "$root$3"; } || fail "$3: cannot be written"
    chmod "$1" "$root$3"
}

# keep MODE SOURCE PATH: a file that is edited; the one that is there stays, and is removed by --purge only.
keep() {
    folder "${3%/*}"
    note kept "$3"
    [ -e "$root$3" ] || { cp "$2" "$root$3" && chmod "$1" "$root$3"; }
}

link() {
    folder "${2%/*}"
    note file "$2"
    ln -sfn "$1" "$root$2"
}

boot_file() {
    for boot in /boot/firmware /boot; do
        [ ! -f "$root$boot/config.txt" ] || { echo "$root$boot/config.txt" && return; }
    done
}

# The sensor that an earlier call has chosen.
chosen_sensor() {
    config=$(boot_file)
    [ -z "$config" ] || tr -d '\r' <"$config" | sed -n "/^$begin\$/,/^$end\$/s/^dtoverlay=//p"
}

# Line ends may be those of Windows, whose editors reach this file, and the last line may have none. A block whose
# end somebody has removed stays: nobody can say where it ended.
without_block() {
    awk -v begin="$begin" -v end="$end" '
        { line = $0; sub(/\r$/, "", line) }
        line == begin { printf "%s", held; held = ""; inside = 1 }
        inside { held = held $0 "\n" }
        !inside { print }
        line == end { held = ""; inside = 0 }
        END { printf "%s", held }' "$1"
}

# Put the new boot settings in place. All is on the card then: a Pi whose plug is pulled next would not start without.
replace_boot_file() { sync "$config.new" && mv "$config.new" "$config" && sync; }

boot_settings() {
    config=$(boot_file)
    if [ -z "$config" ]; then
        [ -z "$sensor" ] || fail "--camera: there is no boot/firmware/config.txt: is this a Pi?"
        return
    fi
    # Without --camera, the one that was chosen before stays.
    chosen=$(chosen_sensor)
    chosen=${sensor:-$chosen}
    {
        without_block "$config"
        echo "$begin"
        echo "[all]"
        cat "$here/boot/watchdog.txt"
        [ -z "$chosen" ] || cat "$here/boot/camera-$chosen.txt"
        echo "$end"
    } >"$config.new"
    if cmp -s "$config.new" "$config"; then
        rm "$config.new"
    else
        replace_boot_file
        echo "boot settings have changed: they hold from the next start on"
    fi
}

packages() {
    venv=$root$opt/.venv
    system=
    # picamera2 is Debian's, to match its libcamera.
    [ -z "$sensor$(chosen_sensor)" ] || system=--system-site-packages
    # One that was made without a camera looks at Debian's packages from now on.
    [ -z "$system" ] || [ ! -e "$venv/pyvenv.cfg" ] ||
        sed -i 's/^include-system-site-packages = .*/include-system-site-packages = true/' "$venv/pyvenv.cfg"
    # Without pip it is of no use: half made, as without python3-venv, or of a Python that is no longer the system's.
    "$venv/bin/python" -I -m pip --version >/dev/null 2>&1 ||
        "${PYTHON:-python3}" -m venv --clear $system "$venv" || fail "python3-venv is needed: apt-get install python3-venv"
    set -- --quiet --disable-pip-version-check --no-input --upgrade
    [ -z "$wheelhouse" ] || set -- "$@" --no-index --find-links "$wheelhouse"
    if [ -n "$wheelhouse" ] && ls "$wheelhouse"/leukoscope-*.whl >/dev/null 2>&1; then
        "$venv/bin/python" -m pip install "$@" --force-reinstall --no-deps leukoscope
        "$venv/bin/python" -m pip install "$@" --upgrade-strategy only-if-needed leukoscope
    else
        copy=$(mktemp -d) # pip builds where the source is, which may be a stick that cannot be written
        for each in edge trainer benchmarks setup.cfg pyproject.toml README.md LICENSE; do
            cp -R "$here/../$each" "$copy"
        done
        "$venv/bin/python" -m pip install "$@" "$copy" || { rm -rf "$copy" && fail "pip could not install the packages"; }
        rm -rf "$copy"
    fi
    # In another machine's file system the scripts must not name ours.
    [ -z "$root" ] || sed -i "1s|^#!$root|#!|" "$venv"/bin/leukoscope*
    # The daemon may not write here, and without byte code each start takes about four times as long.
    "$venv/bin/python" -m compileall -q "$venv/lib" >/dev/null || true # some packages carry files for other Pythons
}

# configured_kind PATTERN: say yes where the configuration has a camera of such a kind.
configured_kind() {
    awk -v kind="$1" '
        /^[[:space:]]*\[/ { inside = ($0 ~ /^[[:space:]]*\[[[:space:]]*camera[[:space:]]*\]/) }
        inside && $0 ~ "^[[:space:]]*kind[[:space:]]*=[[:space:]]*[\"\047]" kind { found = 1 }
        END { if (found) print "yes" }' "$root/etc/leukoscope/leukoscope.toml"
}

# The section [camera] for what was chosen. The global shutter's sensor is smaller than what is asked for by default.
camera_section() {
    case $camera in
        usb) echo 'kind = "usb"' ;;
        imx296) printf 'kind = "picamera2"  # %s\nwidth = 1456\nheight = 1088\n' "$camera" ;;
        *) echo "kind = \"picamera2\"  # $camera" ;;
    esac
}

# Write the chosen camera into the configuration. What stood there before stays as a comment.
configure_camera() {
    [ -n "$camera" ] || return 0
    file=$root/etc/leukoscope/leukoscope.toml
    case $camera in usb) kind=usb ;; *) kind=picamera2 ;; esac
    # Where that camera is configured, its other keys may have been chosen with care.
    before=
    [ "$camera" = usb ] || before=$(chosen_sensor)
    [ -z "$(configured_kind "$kind")" ] || [ "${before:-$sensor}" != "$sensor" ] || return 0
    { echo "[camera]" && camera_section; } >"$file.camera"
    awk -v section="$file.camera" '
        function write_section(line) {
            while ((getline line < section) > 0) print line
            written = 1
        }
        /^[[:space:]]*\[/ {
            inside = ($0 ~ /^[[:space:]]*\[[[:space:]]*camera[[:space:]]*\]/)
            if (inside) { write_section(); next }
        }
        inside && NF && $0 !~ /^[[:space:]]*#/ { print "# " $0; next }
        { print }
        END { if (!written) { print ""; write_section() } }' "$file" >"$file.new"
    # Into the file that is there: it may have another owner, and links to it.
    cat "$file.new" >"$file"
    rm -f "$file.new" "$file.camera"
}

install_broker() {
    case $broker in
        none) return ;;
        local) put 644 "$here/mosquitto.conf" /etc/mosquitto/conf.d/leukoscope.conf ;;
        network)
            put 644 "$here/mosquitto-network.conf" /etc/mosquitto/conf.d/leukoscope.conf
            keep 640 "$here/mosquitto-network.acl" /etc/mosquitto/leukoscope/acl
            ;;
    esac
    [ -z "$root" ] || return 0
    if ! "$here/apt_need.sh" mosquitto:mosquitto; then
        lack "there is no broker yet: apt-get install mosquitto, and run install.sh again"
    elif [ -d /etc/mosquitto/leukoscope ]; then
        chown -R root:mosquitto /etc/mosquitto/leukoscope
    fi
}

install_kiosk() {
    [ -n "$kiosk" ] || return 0
    [ -n "$root" ] || {
        "$here/apt_need.sh" cage:cage Xwayland:xwayland chromium:chromium chvt:kbd ||
            lack "the display shows nothing yet: apt-get install cage xwayland chromium kbd"
        # One of the page's languages, whose letters are in none of the fonts that come with it.
        fc-list :lang=bn 2>/dev/null | grep -q . || "$here/apt_need.sh" :fonts-noto-core ||
            echo "--kiosk: without that font the display shows no Bengali"
    }
    put 644 "$here/leukoscope-kiosk.service" /etc/systemd/system/leukoscope-kiosk.service
    put 644 "$here/sysusers-kiosk.conf" /etc/sysusers.d/leukoscope-kiosk.conf
    # Who stands at the display must not look through the device's files: no choosing, opening or saving of any.
    put 644 "$here/kiosk-policy.json" /etc/chromium/policies/managed/leukoscope-kiosk.json
    link /etc/systemd/system/leukoscope-kiosk.service \
        /etc/systemd/system/multi-user.target.wants/leukoscope-kiosk.service
    [ -n "$root" ] || systemd-sysusers /etc/sysusers.d/leukoscope-kiosk.conf
}

# The first person. Until there is one, the page answers on the device itself only.
install_person() {
    [ -n "$admin" ] || return 0
    [ -z "$root" ] || { echo "--admin: on the device itself, run: leukoscope user add $admin" && return 0; }
    [ -n "$configured" ] || { echo "--admin: once there is a camera, run: leukoscope user add $admin" && return 0; }
    set -- --config /etc/leukoscope/leukoscope.toml
    people=$("$opt/.venv/bin/leukoscope" user list "$@" | cut -f 1)
    # K7 and k7 are one person.
    if printf '%s\n' "$people" | grep -qixF "$admin"; then
        echo "--admin: $admin is there already; another PIN: leukoscope user reset $admin"
    else
        "$opt/.venv/bin/leukoscope" user add "$admin" "$@" ||
            lack "$admin may not use the page yet: leukoscope user add $admin"
    fi
}

# restart UNIT: one that cannot start holds up no other.
restart() { systemctl restart "$1" || lack "$1 does not start: journalctl -u $1 says why"; }

install() {
    umask 022
    pending=
    folder $opt
    [ -e "$manifest" ] || : >"$manifest"
    for each in $pending; do note folder "$each"; done
    packages
    put 644 "$here/../README.md" $opt/README.md
    for each in "$here"/../docs/*.md "$here"/../docs/*.svg; do put 644 "$each" "$opt/docs/${each##*/}"; done
    put 755 "$here/install.sh" $opt/uninstall.sh
    link $opt/.venv/bin/leukoscope /usr/local/bin/leukoscope
    put 644 "$here/sysusers.conf" /etc/sysusers.d/leukoscope.conf
    put 644 "$here/tmpfiles.conf" /etc/tmpfiles.d/leukoscope.conf
    put 644 "$here/udev.rules" /etc/udev/rules.d/70-leukoscope.rules
    put 644 "$here/watchdog.conf" /etc/systemd/system.conf.d/leukoscope-watchdog.conf
    put 644 "$here/leukoscope.service" /etc/systemd/system/leukoscope.service
    put 644 "$here/leukoscope-web.service" /etc/systemd/system/leukoscope-web.service
    put 644 "$here/leukoscope-network.path" /etc/systemd/system/leukoscope-network.path
    put 644 "$here/leukoscope-network.service" /etc/systemd/system/leukoscope-network.service
    put 644 "$here/leukoscope-avahi.service" /etc/avahi/services/leukoscope.service
    keep 644 "$here/leukoscope.toml" /etc/leukoscope/leukoscope.toml
    configure_camera
    configured=$(configured_kind '.')
    folder /etc/leukoscope/keys
    install_broker
    boot_settings
    link /etc/systemd/system/leukoscope.service /etc/systemd/system/multi-user.target.wants/leukoscope.service
    for each in leukoscope-web.service leukoscope-network.path; do
        link "/etc/systemd/system/$each" "/etc/systemd/system/multi-user.target.wants/$each"
    done
    install_kiosk
    if [ -z "$root" ]; then # else the other machine does so when it starts
        systemd-sysusers /etc/sysusers.d/leukoscope.conf
        [ ! -d /proc/self ] || systemd-tmpfiles --create /etc/tmpfiles.d/leukoscope.conf # not in a bare chroot
    fi
    install_person
    if alive; then
        udevadm control --reload || true
        # A microscope that is plugged in already gets its name now, not when it is plugged in again.
        udevadm trigger --settle --subsystem-match=video4linux --subsystem-match=media --subsystem-match=dma_heap || true
        systemctl daemon-reload
        if [ -n "$start" ]; then
            [ "$broker" != local ] || restart mosquitto
            restart leukoscope-network.path
            if [ -n "$configured" ]; then
                restart leukoscope
                restart leukoscope-web
                [ -z "$kiosk" ] || restart leukoscope-kiosk
            fi
        fi
    fi
    sync # who reads the next line may pull the plug, and a unit that is empty then starts nothing
    echo "installed; the configuration is ${root}/etc/leukoscope/leukoscope.toml"
    [ -n "$configured" ] ||
        echo "no camera yet: run install.sh again with --camera, or set camera.kind there; then: systemctl restart leukoscope leukoscope-web"
    [ -n "$admin" ] || [ -e "$root/var/lib/leukoscope/people.db" ] ||
        echo "the page is on this device only until somebody has a PIN: leukoscope user add CODE"
    [ -z "${failed:-}" ] || fail "installed, but$failed"
}

uninstall() {
    # What an earlier call has kept is removed without a manifest, too.
    [ -e "$manifest" ] || [ -n "$purge" ] || fail "$manifest: is not there: nothing is installed"
    display=
    [ ! -e "$root/etc/systemd/system/leukoscope-kiosk.service" ] || display=leukoscope-kiosk
    ! alive || systemctl stop leukoscope-network.path ${display:+"$display"} leukoscope-web leukoscope || true
    config=$(boot_file)
    if [ -n "$config" ] && tr -d '\r' <"$config" | grep -qxF "$begin"; then
        without_block "$config" >"$config.new"
        replace_boot_file
    fi
    list=$(mktemp)
    # The last first, so that folders come after what is in them.
    [ ! -e "$manifest" ] || sed '1!G;h;$!d' "$manifest" >"$list"
    rm -rf "${root}/opt/leukoscope/.venv"
    while read -r kind path; do
        case $kind in
            file) rm -f "$root$path" ;;
            kept) [ -z "$purge" ] || rm -f "$root$path" ;;
        esac
    done <"$list"
    if [ -n "$purge" ]; then
        rm -rf "${root}/var/lib/leukoscope" "${root}/etc/leukoscope" "${root}/etc/mosquitto/leukoscope"
        rm -f "${root}"/etc/credstore/leukoscope.*
    fi
    rm -f "$manifest" # only now: a call that is interrupted can be repeated
    while read -r kind path; do
        [ "$kind" != folder ] || rmdir "$root$path" 2>/dev/null || true
    done <"$list"
    rm -f "$list"
    if alive; then
        systemctl daemon-reload
        udevadm control --reload || true
    fi
    if [ -n "$purge" ] && [ -z "$root" ]; then
        for each in leukoscope leukoscope-kiosk; do
            if id "$each" >/dev/null 2>&1; then userdel "$each"; fi
        done
    fi
    if [ -n "$purge" ]; then
        echo "removed"
    else
        echo "removed; results, configuration and keys are kept (install.sh uninstall --purge removes them)"
    fi
}

$action
