#!/bin/bash
# In the emulated machine: see what the unit does under a real systemd. Says ok or FAIL, a line each.
set -u
state=/var/lib/leukoscope
cd /

check() {
    local what=$1
    shift
    if "$@"; then echo "ok: $what"; else echo "FAIL: $what"; fi
}

# until SECONDS COMMAND...
until_() {
    local left=$1
    shift
    while ! "$@"; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 1
    done
}

property() { systemctl show --value --property "$1" leukoscope; }
ready() { [ "$(property ActiveState)" = active ]; }
answered() { [ -e $state/answer ]; }
restarted() { [ "$(property NRestarts)" -gt 0 ]; }
says() { python3 -c 'import json, sys; it = json.load(open("/var/lib/leukoscope/answer")); sys.exit(not eval(sys.argv[1]))' "$1"; }
log() { journalctl --boot --unit leukoscope --no-pager -o short-monotonic | tail -"$1" | sed 's/^/-- log: /'; }
logged() { journalctl --quiet --boot --unit leukoscope --grep "$1" >/dev/null; }

modprobe vivid || echo "-- no vivid: the camera is not checked"
udevadm settle
echo "-- $(uname -r), $(systemctl --version | head -1)"
check "udev has nothing against the rules" bash -c '! journalctl --quiet --boot --unit systemd-udevd | grep -i 70-leukoscope'
check "the unit reaches ready" until_ 180 ready
ready || { log 60 && echo "FAIL: without it there is nothing to see" && exit; }
check "it runs as its own user" [ "$(ps_user=$(stat -c %U /proc/"$(property MainPID)"); echo "$ps_user")" = leukoscope ]
check "the state is its own, and closed to others" [ "$(stat -c '%U %G %a' $state)" = "leukoscope leukoscope 750" ]
check "the results are there" until_ 60 [ -s $state/results.db ]
systemd-analyze security leukoscope.service --no-pager | tail -1 | sed 's/^/-- /'
check "exposure at most 2.0" systemd-analyze security --threshold=20 leukoscope.service --no-pager >/dev/null

install -o leukoscope -g leukoscope /dev/null $state/ask
check "it answers what it can see" until_ 120 answered
sed 's/^/-- /' $state/answer
check "it is not root and has no capability" says 'it["uid"] > 0 and all(int(line.split()[1], 16) == 0 for line in it["status"] if line.startswith("Cap"))'
check "no new privileges, and a filter of system calls" says '{"NoNewPrivs:\t1", "Seccomp:\t2"} <= set(it["status"])'
check "of the devices it opens the camera only" says 'it["devices"] == ["video0", "media0"]'
check "no secret file" says 'it["secrets"] == [] and it["hidden"] == []'
check "of /var only its state" says 'it["var"] and all(path.startswith("/var/lib/leukoscope/") for path in it["var"])'
check "of /etc only what is named" says 'set(it["etc"]) <= {"leukoscope", "machine-id", "ld.so.cache", "alternatives", "resolv.conf", "hosts", "nsswitch.conf", "localtime", "passwd", "group", "ssl"}'
check "its own credential and no other" says 'list(it["credentials"].values()) == ["hunter2\n"]'
check "it writes its state, the live picture and temporary files only" says 'all(path.startswith(("/var/lib/leukoscope", "/run/leukoscope", "/tmp", "/var/tmp", "/dev/shm", "/run/systemd/unit-root")) for path in it["writable"])'
check "it sees no other process" says 'it["processes"] == []'
check "no raw sockets" says 'not it["packet_socket"] and not it["raw_socket"]'

# As a network manager does when it has a lease: another file in the place of the one that was there.
echo "nameserver 192.0.2.53" >/etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf
sees_it() { grep -q 192.0.2.53 "/proc/$(property MainPID)/root/etc/resolv.conf"; }
check "where names are looked up now is seen by the daemon" until_ 120 sees_it
check "and it is ready again" until_ 180 ready

cat >/srv/listen.py <<'END'
import sys
import paho.mqtt.subscribe as subscribe
said = subscribe.simple("leukoscope/+/status", hostname="localhost", keepalive=60)
sys.exit(b"online" not in said.payload)
END
check "the broker on the device says online" timeout 60 /opt/leukoscope/.venv/bin/python /srv/listen.py
check "the password is not in the log" bash -c '! journalctl --boot | grep -q hunter2'

python=/opt/leukoscope/.venv/bin/leukoscope
pid=$(property MainPID)
install -o leukoscope -g leukoscope /dev/null $state/hang
check "a pipeline that hangs is restarted by the watchdog" until_ 120 restarted
check "systemd says it was the watchdog" logged "watchdog"
check "it is ready again" until_ 180 ready
check "as another process" [ "$pid" != "$(property MainPID)" ]

$python model keygen /root/maker
install -m 644 /root/maker.pub /etc/leukoscope/keys/
cp /opt/leukoscope/.venv/lib/python3*/site-packages/edge/models/clinic.tflite /root/new.tflite
$python model sign /root/new.tflite --key /root/maker
check "root installs a signed model" $python model install /root/new.tflite --config /etc/leukoscope/leukoscope.toml
check "it belongs to the daemon" [ -z "$(find $state/models ! -user leukoscope)" ]
systemctl restart leukoscope
check "ready with the new model" until_ 180 ready
check "which proves itself and stays" until_ 60 logged "has proved itself"
$python model list --config /etc/leukoscope/leukoscope.toml | sed 's/^/-- /'

check "uninstall keeps the results" bash -c "/opt/leukoscope/uninstall.sh && [ -s $state/results.db ] && [ -e /etc/leukoscope/leukoscope.toml ]"
check "installed again without a network" /srv/leukoscope/firmware_config/install.sh --wheelhouse /srv/wheelhouse --broker local
check "ready" until_ 180 ready
check "purge" /opt/leukoscope/uninstall.sh --purge
cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./tmp -o -path ./root \) -prune -o -print | sort >/tmp/after
comm -13 /srv/before /tmp/after | grep -vE '^\./(dev|run|var/(log|cache|tmp|lib/(systemd|mosquitto|private))|srv)(/|$)|boot-test|^\./lost[+]found$|^\./etc/(credstore|machine-id|passwd-|group-|shadow-|gshadow-|\.pwd.lock|\.updated)|^\./var/\.updated' >/tmp/left
sed 's/^/-- left: /' /tmp/left
check "nothing is left" [ ! -s /tmp/left ]
check "nobody is left" bash -c '! id leukoscope 2>/dev/null'
log 40
echo "ok: all was tried"
