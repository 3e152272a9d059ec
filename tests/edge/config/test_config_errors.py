"""Wrong configurations: each gets one sentence with its line, by which alone a person can mend it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load_config
from edge.errors import ConfigError

SIMULATED = '[camera]\nkind = "simulated"\n'
REPLAY = '[camera]\nkind = "replay"\n'
USB = '[camera]\nkind = "usb"\n'
VIDEO = '[camera]\nkind = "video"\n'
MQTT = SIMULATED + "[mqtt]\n"
KINDS = (
    '"usb" for a USB microscope, "picamera2" for a camera of the Raspberry Pi, "replay" for images,'
    ' "video" for a film, or "simulated" for a drawn slide'
)
WEB = SIMULATED + "[web]\n"
STORE = SIMULATED + "[store]\n"
SPECIMEN = SIMULATED + "[specimen]\n"

# What is written, what is said of it, and what somebody writes who has read no more than that.
WRONG = [
    # The broker's address
    (
        MQTT + 'host = "mqtt://127.0.0.1:1884"\n',
        'line 4: mqtt.host is a whole address; write host = "127.0.0.1" and port = 1884',
        MQTT + 'host = "127.0.0.1"\nport = 1884\n',
    ),
    (
        MQTT + 'host = "127.0.0.1:1884"\n',
        'line 4: mqtt.host has the port in it; write host = "127.0.0.1" and port = 1884',
        MQTT + 'host = "127.0.0.1"\nport = 1884\n',
    ),
    (
        MQTT + 'host = " 127.0.0.1"\n',
        'line 4: mqtt.host has a space in it; write host = "127.0.0.1"',
        MQTT + 'host = "127.0.0.1"\n',
    ),
    (
        MQTT + 'host = "mqtts://nurse:secret@b.example:8883"\n',
        (
            'line 4: mqtt.host is a whole address; write host = "b.example" and port = 8883 and the section'
            " [mqtt.tls]"
        ),
        MQTT + 'host = "b.example"\nport = 8883\n[mqtt.tls]\n',
    ),
    (
        MQTT + 'host = "my broker"\n',
        (
            "line 4: mqtt.host is no name of a computer; write its name or address alone, such as"
            ' host = "192.168.1.5"'
        ),
        MQTT + 'host = "192.168.1.5"\n',
    ),
    (
        MQTT + 'host = "broker..example"\n',
        (
            "line 4: mqtt.host is no name of a computer; write its name or address alone, such as"
            ' host = "192.168.1.5"'
        ),
        MQTT + 'host = "bücher.example."\n',
    ),
    (
        MQTT + f'host = "{"b" * 64}.example"\n',
        (
            "line 4: mqtt.host is no name of a computer; write its name or address alone, such as"
            ' host = "192.168.1.5"'
        ),
        MQTT + f'host = "{"b" * 63}.example"\n',
    ),
    (
        MQTT + 'host = "[::1]:1884"\n',
        'line 4: mqtt.host has the port in it; write host = "::1" and port = 1884',
        MQTT + 'host = "::1"\nport = 1884\n',
    ),
    (
        MQTT + 'host = ""\n',
        "line 4: mqtt.host is empty; write something between the quotes, or leave the line out",
        MQTT,
    ),
    # What is said of an empty text that is needed, and of a value that is too small
    (
        VIDEO + 'path = ""\n',
        "line 3: camera.path is empty; write something between the quotes",
        VIDEO + 'path = "slide.mp4"\n',
    ),
    (
        SIMULATED + "[masking]\nmicrometres_per_pixel = 0.005\n",
        (
            "line 4: masking.micrometres_per_pixel is too small for any microscope; write 0.01 to 2, or 0 to"
            " let the red cells tell"
        ),
        SIMULATED + "[masking]\nmicrometres_per_pixel = 0.01\n",
    ),
    # The camera's address
    (
        USB + 'device = "http://"\n',
        "line 3: camera.device is an address without the name of a computer; write http://NAME:PORT/",
        USB + 'device = "http://microscope-pc:8080/"\n',
    ),
    (
        USB + 'device = "https://:8080/"\n',
        "line 3: camera.device is an address without the name of a computer; write https://NAME:PORT/",
        USB + 'device = "https://microscope-pc:8080/"\n',
    ),
    (
        USB + 'device = "http://[x"\n',
        "line 3: camera.device is an address without the name of a computer; write http://NAME:PORT/",
        USB + 'device = "http://[::1]:8080/x?y=1"\n',
    ),
    # The page's address
    (
        WEB + 'host = "http://0.0.0.0:8080"\n',
        'line 4: web.host is a whole address; write host = "0.0.0.0" and port = 8080',
        WEB + 'host = "0.0.0.0"\nport = 8080\n',
    ),
    (
        WEB + 'host = "https://0.0.0.0"\n',
        'line 4: web.host is a whole address; write host = "0.0.0.0" and certificate_file = "FILE"',
        WEB + 'host = "0.0.0.0"\ncertificate_file = "page.crt"\n',
    ),
    (
        WEB + 'host = "0.0.0.0:8080"\n',
        'line 4: web.host has the port in it; write host = "0.0.0.0" and port = 8080',
        WEB + 'host = "0.0.0.0"\nport = 8080\n',
    ),
    (
        WEB + 'host = " 0.0.0.0"\n',
        'line 4: web.host has a space in it; write host = "0.0.0.0"',
        WEB + 'host = "0.0.0.0"\n',
    ),
    # Encryption
    (
        MQTT + "tls = true\n",
        (
            "line 4: mqtt.tls is true, and must be a section; write [mqtt.tls] on a line of its"
            " own, behind the keys of [mqtt]; it may be empty"
        ),
        MQTT + "[mqtt.tls]\n",
    ),
    (
        MQTT + "tls = false\n",
        "line 4: mqtt.tls is false; leave the line out: without the section [mqtt.tls] nothing is encrypted",
        MQTT,
    ),
    (
        MQTT + "tls = yes\n",
        "line 4: tls is yes; for encryption write [mqtt.tls] on a line of its own, else nothing",
        MQTT + "[mqtt.tls]\n",
    ),
    # Sections and keys that are called or stand otherwise
    (
        SIMULATED + '[broker]\nhost = "b"\n',
        "line 3: [broker] is not a known section; did you mean [mqtt]?",
        MQTT + 'host = "b"\n',
    ),
    (
        SIMULATED + "[tls]\n",
        "line 3: [tls] is not a known section; did you mean [mqtt.tls]?",
        SIMULATED + "[mqtt.tls]\n",
    ),
    (
        '[Camera]\nkind = "usb"\n',
        "line 1: [Camera] is not a known section; did you mean [camera]?",
        USB,
    ),
    (
        '[[camera]]\nkind = "usb"\n',
        "line 1: [camera] stands in double brackets; write [camera] once, in single ones",
        USB,
    ),
    (
        SIMULATED + 'host = "b"\n',
        "line 3: camera.host stands in the wrong place; write it below [mqtt] or [web]",
        MQTT + 'host = "b"\n',
    ),
    (
        SIMULATED + 'device_id = "clinic-7"\n',
        (
            "line 3: camera.device_id stands in the wrong place; write device_id above the first"
            " [section] of the file"
        ),
        'device_id = "clinic-7"\n' + SIMULATED,
    ),
    (
        "target = 100\n" + SIMULATED,
        "line 1: target stands in the wrong place; write it below [specimen]",
        SPECIMEN + "target = 100\n",
    ),
    (
        MQTT + "prt = 1884\n",
        "line 4: mqtt.prt is not a known key; did you mean port?",
        MQTT + "port = 1884\n",
    ),
    (
        MQTT + 'user = "me"\n',
        "line 4: mqtt.user is not a known key; did you mean username?",
        MQTT + 'username = "me"\n',
    ),
    (
        MQTT + 'password = "hush"\n',
        'line 4: mqtt.password: a password stands in a file of its own; write password_file = "FILE"',
        MQTT + 'password_file = "FILE"\n',
    ),
    (
        USB + 'paths = ["slides"]\n',
        (
            'line 3: camera.paths belongs to kind = "replay", not to kind = "usb"; change the'
            " kind, or leave the line out"
        ),
        USB,
    ),
    (
        REPLAY + 'folder = ["slides"]\n',
        "line 3: camera.folder is not a known key; did you mean paths?",
        REPLAY + 'paths = ["slides"]\n',
    ),
    (
        SIMULATED + "[store]\ncolour = 1\n",
        "line 4: store.colour is not a known key; known here: max_mb, path, pictures_days, retention_days",
        SIMULATED + "[store]\n",
    ),
    # The camera
    ("", f"there is no section [camera]; write [camera] and below it kind = {KINDS}", USB),
    ("[camera]\n", f"line 1: camera.kind is missing; write kind = {KINDS}", USB),
    (
        '[camera]\nkind = "webcam"\n',
        f'line 2: camera.kind is "webcam"; did you mean "usb"? There is {KINDS}',
        USB,
    ),
    ('[camera]\nkind = "telescope"\n', f'line 2: camera.kind is "telescope"; write kind = {KINDS}', USB),
    (
        'camera = "usb"\n',
        (
            'line 1: camera is "usb", and must be a section; write [camera] on a line of its own,'
            f" and below it kind = {KINDS}"
        ),
        USB,
    ),
    (
        REPLAY,
        'line 1: camera.paths is missing; write paths = ["FOLDER"] below [camera]',
        REPLAY + 'paths = ["FOLDER"]\n',
    ),
    (
        REPLAY + 'paths = "slides"\n',
        'line 3: camera.paths is "slides", and must be a list; write paths = ["slides"]',
        REPLAY + 'paths = ["slides"]\n',
    ),
    (
        REPLAY + 'paths = ["a", 3]\n',
        (
            'line 3: camera.paths has 3 in it, which is no text; write paths = ["FOLDER",'
            ' "FILE.jpg"], each in'
            " quotes"
        ),
        REPLAY + 'paths = ["FOLDER", "FILE.jpg"]\n',
    ),
    (
        USB + "width = 640\n",
        "line 3: camera.width stands alone; write width and height, or leave both out",
        USB + "width = 640\nheight = 480\n",
    ),
    (
        USB + 'device = "rtsp://pi/1"\n',
        "line 3: camera.device is an address of a kind that is not known; write one with http:// or https://",
        USB + 'device = "http://pi/1"\n',
    ),
    (
        USB + 'device = "http://nurse:hush@pi/"\n',
        "line 3: camera.device is published with every field; write an address without a user and a password",
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + 'device = "http://pi/"\ngain = 0\n',
        "line 3: camera.device is a stream, without exposure_us, gain and white_balance_k; leave those out",
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + 'device = "http://pi/?loginuse=nurse&loginpas=hush"\n',
        "line 3: camera.device is published with every field; write an address without a user and a password",
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + 'device = "http://pi/?-usr=nurse&-pwd=hush"\n',
        "line 3: camera.device is published with every field; write an address without a user and a password",
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + "device = http://nurse:hush@pi/\n",
        (
            "line 3: device is http://...@pi/, and text stands in quotes; camera.device is published with"
            " every field; write an address without a user and a password"
        ),
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + 'device = "http://pi/?user=nurse&pwd=hush"\n',
        "line 3: camera.device is published with every field; write an address without a user and a password",
        USB + 'device = "http://pi/"\n',
    ),
    (
        USB + "device = -1\n",
        (
            "line 3: camera.device is -1; write a whole number from 0 to 255 or text in quotes,"
            " of at most 1000 characters"
        ),
        USB + "device = 1\n",
    ),
    (
        VIDEO,
        'line 1: camera.path is missing; write path = "FILE" below [camera]',
        VIDEO + 'path = "FILE"\n',
    ),
    (
        VIDEO + 'paths = "a.mp4"\n',
        "line 3: camera.paths is not a known key; did you mean path?",
        VIDEO + 'path = "a.mp4"\n',
    ),
    # Keys of 0.1
    (
        SIMULATED + 'path = "hand"\n',
        'line 3: camera.path is called motion since 0.2; write motion = "manual"',
        SIMULATED + 'motion = "manual"\n',
    ),
    (
        VIDEO + 'path = "a.mp4"\nown_rate = true\n',
        "line 4: camera.own_rate is called native_rate since 0.2; write native_rate = true",
        VIDEO + 'path = "a.mp4"\nnative_rate = true\n',
    ),
    (
        SIMULATED + '[specimen]\nstarted_by = "command"\n',
        'line 4: specimen.started_by is called lifecycle since 0.2; write lifecycle = "command"',
        SIMULATED + '[specimen]\nlifecycle = "command"\n',
    ),
    (
        SIMULATED + '[specimen]\nwhen_enough = "stop"\n',
        'line 4: specimen.when_enough is called on_target since 0.2; write on_target = "stop"',
        SIMULATED + '[specimen]\non_target = "stop"\n',
    ),
    (
        SIMULATED + "[specimen]\nmax_width = 10\n",
        "line 4: specimen.max_width is called max_interval_width since 0.2; write max_interval_width = 10",
        SIMULATED + "[specimen]\nmax_interval_width = 10\n",
    ),
    (
        MQTT + "health_s = 5\n",
        "line 4: mqtt.health_s is called health_interval_s since 0.2; write health_interval_s = 5",
        MQTT + "health_interval_s = 5\n",
    ),
    (
        SIMULATED + '[masking]\nrecipe = "adaptive"\n',
        'line 4: masking.recipe: "adaptive" is called "found" since 0.2; write recipe = "found"',
        SIMULATED + '[masking]\nrecipe = "found"\n',
    ),
    # Choices
    (
        SIMULATED + 'motion = "foot"\n',
        'line 3: camera.motion is "foot"; write one of "grid", "manual"',
        SIMULATED + 'motion = "manual"\n',
    ),
    (
        VIDEO + 'path = "a.mp4"\nnative_rate = true\nframes_per_second = 2\n',
        "line 4: camera.native_rate and frames_per_second are two rates; leave one of the lines out",
        VIDEO + 'path = "a.mp4"\nnative_rate = true\n',
    ),
    # Values
    (
        MQTT + 'port = "1884"\n',
        'line 4: mqtt.port is "1884", which is text; write port = 1884, without quotes',
        MQTT + "port = 1884\n",
    ),
    (
        MQTT + "port = 0\n",
        "line 4: mqtt.port is 0; write a whole number from 1 to 65535",
        MQTT + "port = 1\n",
    ),
    (MQTT + "port = 1884.0\n", "line 4: mqtt.port is 1884.0; write port = 1884, a whole number", MQTT),
    (
        MQTT + "protocol = 5\n",
        'line 4: mqtt.protocol is 5; write protocol = "5", in quotes',
        MQTT + 'protocol = "5"\n',
    ),
    (
        MQTT + 'protocol = "4"\n',
        'line 4: mqtt.protocol is "4"; write one of "3.1.1", "5"',
        MQTT + 'protocol = "3.1.1"\n',
    ),
    (
        MQTT + "host = 5\n",
        'line 4: mqtt.host is 5, which is no text; write host = "5", in quotes',
        MQTT + 'host = "5"\n',
    ),
    (
        SPECIMEN + "registration = true\n",
        'line 4: specimen.registration is true; write one of "auto", "off", "on"',
        SPECIMEN + 'registration = "on"\n',
    ),
    (
        'log_level = "INFO"\n' + SIMULATED,
        'line 1: log_level is "INFO"; write log_level = "info", or "debug" or "error" or "warning"',
        'log_level = "info"\n' + SIMULATED,
    ),
    (
        'device_id = "a/b"\n' + SIMULATED,
        (
            'line 1: device_id is "a/b"; write at most 64 letters, digits and - _ . only: it goes'
            " out over MQTT, so it is never a name"
        ),
        'device_id = "a-b"\n' + SIMULATED,
    ),
    (
        STORE + "max_mb = 0.9\n",
        "line 4: store.max_mb cannot hold one result; write 1 or more, or 0 for no limit",
        STORE + "max_mb = 1\n",
    ),
    (
        STORE + "max_mb = inf\n",
        "line 4: store.max_mb is inf; write 1 or more, or 0 for no limit",
        STORE + "max_mb = 0\n",
    ),
    (
        STORE + "max_mb = 9e400\n",
        "line 4: store.max_mb is inf; write 1 or more, or 0 for no limit",
        STORE + "max_mb = 1\n",
    ),
    (
        STORE + "max_mb = nan\n",
        "line 4: store.max_mb is nan; write a number of 0 or more",
        STORE + "max_mb = 0\n",
    ),
    (
        STORE + "retention_days = nan\n",
        "line 4: store.retention_days is nan; write a number from 0 to 36500",
        STORE + "retention_days = 30\n",
    ),
    # Lines that are no TOML
    (
        MQTT + "host = broker\n",
        'line 4: host is broker, and text stands in quotes; write host = "broker"',
        MQTT + 'host = "broker"\n',
    ),
    (
        MQTT + "host = broker:1884\n",
        (
            "line 4: host is broker:1884, and text stands in quotes; mqtt.host has the port in it; write"
            ' host = "broker" and port = 1884'
        ),
        MQTT + 'host = "broker"\nport = 1884\n',
    ),
    (
        REPLAY + "paths = slides/*.jpg\n",
        (
            "line 3: paths is a list: texts in quotes, with commas between, in brackets; write"
            ' paths = ["slides/*.jpg"]'
        ),
        REPLAY + 'paths = ["slides/*.jpg"]\n',
    ),
    (
        REPLAY + 'paths = ["a" "b"]\n',
        (
            "line 3: paths is a list: texts in quotes, with commas between, in brackets; write"
            ' paths = ["a", "b"]'
        ),
        REPLAY + 'paths = ["a", "b"]\n',
    ),
    (
        REPLAY + 'paths = ["a",\n"b"\n[mqtt]\nport = 1884\n',
        "line 3: paths is a list that is not closed; write ] behind its last text",
        REPLAY + 'paths = ["a",\n"b"]\n[mqtt]\nport = 1884\n',
    ),
    (MQTT + "port: 1884\n", "line 4: port has a colon behind it; write port = 1884", MQTT + "port = 1884\n"),
    (
        MQTT + "port =\n",
        "line 4: port has no value; write one behind the =, or leave the line out",
        MQTT,
    ),
    (
        MQTT + "port = 1884\nport = 1885\n",
        "line 5: port stands twice, here and in line 4; keep one of them",
        MQTT + "port = 1884\n",
    ),
    (
        MQTT + "[mqtt]\nport = 1884\n",
        "line 4: [mqtt] stands twice; put its keys below the one in line 3",
        MQTT + "port = 1884\n",
    ),
    (
        MQTT + 'host = "broker\nport = 1884\n',
        'line 4: host has no closing quote; write host = "broker"',
        MQTT + 'host = "broker"\nport = 1884\n',
    ),
    (
        MQTT + "host = \u201cbroker\u201d\n",
        'line 4: host has typographic quotes, not straight ones; write host = "broker"',
        MQTT + 'host = "broker"\n',
    ),
    (
        STORE + 'path = "C:\\results\\x.db"\n',
        "line 4: path has a backslash in double quotes; write path = 'C:\\results\\x.db'",
        STORE + "path = 'C:\\results\\x.db'\n",
    ),
    (
        SIMULATED + "[masking]\nmicrometres_per_pixel = 0,16\n",
        (
            "line 4: micrometres_per_pixel has a comma in its number, not a point; write"
            " micrometres_per_pixel = 0.16"
        ),
        SIMULATED + "[masking]\nmicrometres_per_pixel = 0.16\n",
    ),
    (
        STORE + "retention_days = 30 days\n",
        (
            "line 4: retention_days is 30 days, and a number stands alone, without a unit; write"
            " retention_days = 30"
        ),
        STORE + "retention_days = 30\n",
    ),
    (
        SIMULATED + "empty = yes\n",
        "line 3: empty is yes, and can be true or false; write empty = true",
        SIMULATED + "empty = true\n",
    ),
    (
        "[camera\n" + 'kind = "usb"\n',
        "line 1: a section stands in square brackets; write [camera] on a line of its own",
        USB,
    ),
    (
        "; my device\n" + SIMULATED,
        "line 1: a comment begins with #; write # instead of ;",
        "# my device\n" + SIMULATED,
    ),
    (
        "// my device\n" + SIMULATED,
        "line 1: a comment begins with #; write # instead of //",
        "# my device\n" + SIMULATED,
    ),
    # What a password may stand in goes into no log
    (
        MQTT + '; password = "hush"\n',
        "line 4: a comment begins with #; write # instead of ;",
        MQTT + '# password = "hush"\n',
    ),
    (
        MQTT + "-- ours is hush\n",
        "line 4: a comment begins with #; write # instead of --",
        MQTT + "# ours is hush\n",
    ),
    (
        SIMULATED + "[mqtt] password = hush\n",
        'line 3: a password stands in a file of its own; write password_file = "FILE"',
        MQTT + 'password_file = "FILE"\n',
    ),
    (
        SIMULATED + "[mqtt broker] # hush\n",
        "line 3: [mqtt broker] is no name of a section; write one as [camera] or [mqtt.tls]",
        MQTT,
    ),
    (
        MQTT + "username = nurse, password = hush\n",
        'line 4: a password stands in a file of its own; write password_file = "FILE"',
        MQTT + 'password_file = "FILE"\n',
    ),
    (
        MQTT + "host = broker # it wants hush\n",
        'line 4: host is broker, and text stands in quotes; write host = "broker"',
        MQTT + 'host = "broker"\n',
    ),
    (
        MQTT + "host = # it wants hush\n",
        "line 4: host has no value; write one behind the =, or leave the line out",
        MQTT,
    ),
    (
        MQTT + "tls = yes # hush\n",
        "line 4: tls is yes; for encryption write [mqtt.tls] on a line of its own, else nothing",
        MQTT,
    ),
    (
        MQTT + "password_file = key.txt\n",
        'line 4: password_file is key.txt, and text stands in quotes; write password_file = "key.txt"',
        MQTT + 'password_file = "key.txt"\n',
    ),
    (
        SIMULATED + "and so on\n",
        'line 3: "and so on" says nothing; write a [section], key = value, or a # comment',
        SIMULATED + "# and so on\n",
    ),
    (
        MQTT + "password = hush\n",
        'line 4: a password stands in a file of its own; write password_file = "FILE"',
        MQTT + 'password_file = "FILE"\n',
    ),
    (
        MQTT + "password hush\n",
        'line 4: a password stands in a file of its own; write password_file = "FILE"',
        MQTT + 'password_file = "FILE"\n',
    ),
    # What no system call, no message or no database can take
    (
        STORE + 'path = "a\\u0000b.db"\n',
        "line 4: store.path has \\u0000 in it, a control character; write it without",
        STORE + 'path = "ab.db"\n',
    ),
    (
        REPLAY + 'paths = ["a", "b\\nc"]\n',
        "line 3: camera.paths has \\u000a in it, a control character; write it without",
        REPLAY + 'paths = ["a", "bc"]\n',
    ),
    (
        VIDEO + 'path = "a\\u001b[31m.avi"\n',
        "line 3: camera.path has \\u001b in it, a control character; write it without",
        VIDEO + 'path = "a.avi"\n',
    ),
    *(
        (
            f'{SIMULATED}[{section}]\n{key} = "a\\u007f"\n',
            f"line 4: {section}.{key} has \\u007f in it, a control character; write it without",
            f"{SIMULATED}[{section}]\n{key} = 'a'\n",
        )
        for section, key in [
            ("web", "preview_dir"),
            ("web", "host"),
            ("web", "certificate_file"),
            ("model", "path"),
            ("model", "trusted_keys"),
            ("mqtt", "host"),
            ("mqtt", "username"),
            ("mqtt", "password_file"),
            ("mqtt.tls", "ca_file"),
        ]
    ),
    (
        MQTT + f'username = "{"ü" * 40_000}"\n',
        f'line 4: mqtt.username is "{"ü" * 59}...; write text in quotes, of at most 1000 characters',
        MQTT + f'username = "{"ü" * 1000}"\n',
    ),
    (
        SPECIMEN + f"target = {2**63}\n",
        f"line 4: specimen.target is {2**63}; write a whole number from 1 to 10000",
        SPECIMEN + "target = 10000\n",
    ),
    (
        SPECIMEN + f"target = {'9' * 400}\n",
        f"line 4: specimen.target is {'9' * 60}...; write a whole number from 1 to 10000",
        SPECIMEN + "target = 10000\n",
    ),
    (
        STORE + f"max_mb = {'9' * 400}\n",
        f"line 4: store.max_mb is {'9' * 60}...; write a number of 0 or more",
        STORE + "max_mb = 0\n",
    ),
    (
        SPECIMEN + f"target = {'9' * 5000}\n",
        "line 4: has a number of too many digits; write a shorter one",
        SPECIMEN + "target = 99\n",
    ),
    (
        SPECIMEN + f'target = {"9" * 5000}\nid = "a\n',
        "line 4: has a number of too many digits; write a shorter one",
        SPECIMEN + 'target = 99\nid = "a"\n',
    ),
    (
        SIMULATED + f"seed = {2**63}\n",
        f"line 3: camera.seed is {2**63}; write a whole number from 0 to {2**63 - 1}",
        SIMULATED + f"seed = {2**63 - 1}\n",
    ),
    # A list that may be empty is none of the faults
    (
        SIMULATED + "marks = []\nnoise = -1\n",
        "line 4: camera.noise is -1; write a number from 0 to 60",
        SIMULATED + "marks = []\nnoise = 0\n",
    ),
    # Values of which the schema says more than their kind
    (
        STORE + "max_mb = true\n",
        "line 4: store.max_mb is true; write a number of 0 or more",
        STORE + "max_mb = 0\n",
    ),
    (
        STORE + "max_mb = -1\n",
        "line 4: store.max_mb is -1; write a number of 0 or more",
        STORE + "max_mb = 1\n",
    ),
    (
        SIMULATED + '[masking]\nmicrometres_per_pixel = "wide"\n',
        'line 4: masking.micrometres_per_pixel is "wide"; write a number from 0 to 2',
        SIMULATED + "[masking]\nmicrometres_per_pixel = 2\n",
    ),
]

# Words of the program's language, of its libraries, and patterns.
NOT_FOR_PEOPLE = re.compile(
    r"\b(str|int|float|bool|dict|tuple|None|True|False|[Oo]bject|[Ee]xpected|got|regex|enum|array)\b"
    r"|\\Z|\^\[|\{\d"
)


@pytest.mark.parametrize(("wrong", "sentence", "mended"), WRONG)
def test_a_sentence_says_what_to_write_instead_and_that_is_right(tmp_path, wrong, sentence, mended):
    path = tmp_path / "device.toml"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}: {sentence}"
    assert not NOT_FOR_PEOPLE.search(sentence)
    assert "hush" not in sentence
    assert "secret" not in sentence
    path.write_text(mended, encoding="utf-8")
    load_config(path)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_its_lines(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(
        'log_level = "loud"\n'
        + MQTT
        + 'port = "x"\nhost = broker  # ours\n\n[stoer]\n[model]\nthreads = [\n  99,\n]\nruntime = "auto"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    first, *lines = str(caught.value).splitlines()
    assert first == f"{path}: 5 things are wrong"
    assert [line.split(":")[0].strip() for line in lines] == [f"line {n}" for n in (1, 5, 6, 8, 10)]
    assert lines[2].endswith('write host = "broker"')


def test_of_many_faults_the_first_ten_are_said(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(SIMULATED + "".join(f"odd_{number} = 1\n" for number in range(15)))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("15 things are wrong")
    assert len(lines) == 12
    assert lines[-1] == "  and 5 more"


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path):
    path = tmp_path / "device.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (MQTT + "port = 1884\n").replace("\n", "\r\n").encode())
    assert load_config(path).mqtt.port == 1884
    path.write_bytes((MQTT + "port = 1884\n").encode("utf-16"))
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        load_config(path)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "fe80::1%eth0", "b.example.", "pi_2", "pi-2.local"]
)
def test_names_and_addresses_of_computers_are_hosts(tmp_path, host):
    path = tmp_path / "device.toml"
    path.write_text(MQTT + f'host = "{host}"\n')
    assert load_config(path).mqtt.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "localhost", "clinic-7.local"])  # noqa: S104
def test_where_a_page_may_be_served_is_a_host(tmp_path, host):
    path = tmp_path / "device.toml"
    path.write_text(WEB + f'host = "{host}"\n')
    assert load_config(path).web.host == host


pieces = st.sampled_from(
    [
        "[camera]",
        "[mqtt]",
        "[",
        "]",
        "kind",
        "host",
        "paths",
        "=",
        ":",
        '"',
        "'",
        '"""',
        "\\",
        "#",
        "{",
        "}",
        ",",
    ]
    + ["\n"] * 4
    + ["usb", "1", "1,5", "true", "\u201c", "\x00", " "]
)


@given(st.lists(pieces, max_size=30).map("".join))
def test_whatever_lines_a_file_has_it_is_right_or_said_what_is_not(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.toml"
        path.write_text(text, encoding="utf-8")
        try:
            load_config(path)
        except ConfigError as error:
            first, *lines = str(error).splitlines()
            assert first.startswith(f"{path}: ")
            assert all(line.startswith("  ") for line in lines)
            assert len(lines) == 0 or len(lines) > 1


@pytest.mark.parametrize("name", ["host_port", "host_space", "host_url"])
def test_the_cases_from_the_field(name):
    path = Path(__file__).parents[4] / "shared" / "cases" / "config" / f"{name}.toml"
    if not path.is_file():
        pytest.skip("the cases from the field are not here")
    with pytest.raises(ConfigError, match=r'line 5: mqtt\.host .* write host = "127\.0\.0\.1"'):
        load_config(path)
