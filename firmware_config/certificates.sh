#!/bin/sh
# A small certificate authority for a broker and its devices, with OpenSSL. DIR belongs on no device.
#
#   certificates.sh init DIR                 make the authority
#   certificates.sh broker DIR HOST...       the broker's certificate, for these names and addresses
#   certificates.sh page DIR HOST...         page-HOST.crt, of a device's page, for two years; browsers take no longer one
#   certificates.sh client DIR NAME          a device's (NAME is its device_id) or a dashboard's
#   certificates.sh revoke DIR NAME          take one back; the broker needs the new ca.crl then
#
# Secret keys are for their owner only (mode 0600). A certificate is valid from 1970 on, for a device's clock may
# stand there when it starts.
set -eu
umask 077

fail() {
    echo "certificates.sh: $1" >&2
    exit 1
}

usage() {
    sed -n 's/^#   //p' "$0" >&2
    exit 2
}

valid_name() {
    case $1 in
        '' | .* | -* | *[!A-Za-z0-9_.-]*) fail "$1: a name has letters, digits, dots, dashes and underscores only" ;;
    esac
    [ "$1" != ca ] || fail "ca: is the authority itself"
    [ "${#1}" -le 64 ] || fail "$1: a name has 64 characters at most"
}

# As configuration for OpenSSL: the authority's files, and what each kind of certificate is for. The files go without
# their folder, in whose path OpenSSL would take `#`, `$` and a backslash for signs of its own.
settings() {
    cat <<END
[ca]
default_ca = authority
[authority]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = issued
certificate = ca.crt
private_key = $key
default_md = sha256
policy = name_only
unique_subject = yes
copy_extensions = none
[name_only]
commonName = supplied
[req]
distinguished_name = asked
[asked]
[authority_itself]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${hosts:-DNS:localhost}
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END
}

new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

ca() {
    settings >"$dir/openssl.conf"
    (cd "$dir" && exec openssl ca -batch -config openssl.conf "$@") 2>"$dir/openssl.log" ||
        fail "OpenSSL said: $(tail -n 1 "$dir/openssl.log")"
}

new_crl() {
    ca -gencrl -crl_lastupdate 19700101000000Z -crl_nextupdate 20991231235959Z -out "$dir/ca.crl"
    chmod 644 "$dir/ca.crl"
}

# valid_serial NAME: the number of its certificate that is not revoked, if there is one. Its file may be gone.
valid_serial() { awk -F '\t' -v name="/CN=$1" '$1 == "V" && $6 == name { print $4 }' "$dir/index.txt"; }

# issue KIND NAME: what was interrupted leaves no half pair behind.
issue() {
    [ -z "$(valid_serial "$2")" ] || fail "$2 has a certificate already; revoke it first, or take another name"
    new_key "$dir/$2.key.new"
    openssl req -new -config "$dir/openssl.conf" -key "$dir/$2.key.new" -subj "/CN=$2" -out "$dir/$2.csr"
    case $2 in
        page-*) ca -extensions "$1" -startdate "$(date -u -d yesterday +%Y%m%d%H%M%SZ)" -days 820 -notext -in "$dir/$2.csr" -out "$dir/$2.crt.new" ;;
        *) ca -extensions "$1" -startdate 19700101000000Z -enddate 20991231235959Z -notext -in "$dir/$2.csr" -out "$dir/$2.crt.new" ;;
    esac
    mv "$dir/$2.key.new" "$dir/$2.key"
    mv "$dir/$2.crt.new" "$dir/$2.crt"
    rm "$dir/$2.csr"
    chmod 644 "$dir/$2.crt"
    echo "$dir/$2.crt and, secret, $dir/$2.key"
}

[ $# -ge 2 ] || usage
action=$1 dir=$2
shift 2
hosts='' key=ca.key
case $action in
    init)
        [ $# -eq 0 ] || usage
        [ ! -e "$dir/ca.key" ] || fail "$dir: there is an authority already"
        mkdir -p "$dir/issued"
        dir=$(cd "$dir" && pwd)
        chmod 700 "$dir"
        : >"$dir/index.txt"
        openssl rand -hex 16 >"$dir/serial"
        echo 01 >"$dir/crlnumber"
        key=ca.key.new # what was interrupted is no authority, and is begun again
        settings >"$dir/openssl.conf"
        new_key "$dir/$key"
        openssl req -new -config "$dir/openssl.conf" -key "$dir/$key" -subj "/CN=Leukoscope authority" -out "$dir/ca.csr"
        ca -selfsign -extensions authority_itself -startdate 19700101000000Z -enddate 20991231235959Z -notext \
            -in "$dir/ca.csr" -out "$dir/ca.crt"
        rm "$dir/ca.csr"
        chmod 644 "$dir/ca.crt"
        new_crl
        mv "$dir/ca.key.new" "$dir/ca.key"
        echo "$dir/ca.crt and, to be kept off every device, $dir/ca.key"
        exit
        ;;
esac
[ -e "$dir/ca.key" ] || fail "$dir: there is no authority; make one with: certificates.sh init $dir"
dir=$(cd "$dir" && pwd)
case $action in
    broker | page)
        [ $# -ge 1 ] || usage
        for host in "$@"; do
            case $host in
                '' | *[!A-Za-z0-9_.:-]*) fail "$host: is neither a host's name nor an address" ;;
                *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) kind=IP ;;
                *) kind=DNS ;;
            esac
            hosts=${hosts:+$hosts,}$kind:$host
        done
        settings >"$dir/openssl.conf"
        name=$action
        [ "$action" = broker ] || name=page-$(printf %s "$1" | tr : -) # fifty devices have fifty pages
        valid_name "$name"
        issue broker "$name"
        ;;
    client)
        [ $# -eq 1 ] || usage
        valid_name "$1"
        case $1 in broker | page-*) fail "$1: is a name of its own; give another one" ;; esac
        issue client "$1"
        ;;
    revoke)
        [ $# -eq 1 ] || usage
        valid_name "$1"
        serial=$(valid_serial "$1")
        [ -n "$serial" ] || fail "$dir: there is no such certificate: $1"
        ca -revoke "$dir/issued/$serial.pem"
        new_crl
        rm -f "$dir/$1.crt" "$dir/$1.key"
        echo "$1 is revoked: copy $dir/ca.crl to the broker and restart it"
        ;;
    *) usage ;;
esac
