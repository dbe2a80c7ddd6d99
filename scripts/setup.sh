#!/usr/bin/env bash
# Checks what hexaqua needs, and installs what is missing where that is allowed.
#
#   scripts/setup.sh build    Rust, a C++ compiler and CMake (for chemfiles), the Vulkan loader
#   scripts/setup.sh test     the same, and a software Vulkan driver that runs every shader without a GPU
#
# Installs with apt-get only, as root or through sudo that asks no password. Anywhere else it names the packages.
# HEXAQUA_NO_INSTALL=1    never install
# HEXAQUA_REQUIRE_GPU=1   stop, instead of going on, when no Vulkan driver can be had
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-build}
case $purpose in
    build | test) ;;
    *) echo "usage: scripts/setup.sh [build|test]" >&2 && exit 2 ;;
esac
system=$(uname -s)

die() {
    printf '\nhexaqua: %s\n' "$1" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- Rust: never installed here, a toolchain is the user's choice --------------------------------------------------

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
    if ! have cargo || ! have rustc; then
        die "Rust $wanted or newer is needed and was not found.
Install it with rustup (https://rustup.rs), or on Debian 13 and Ubuntu 24.04 with
    sudo apt-get install rustup && rustup default stable
then open a new shell and type the same command again."
    fi
    found=$(rustc --version | awk '{ print $2 }')
    if ! awk -v wanted="$wanted" -v found="$found" 'BEGIN {
            split(wanted, w, "."); split(found, f, "."); exit !(f[1] > w[1] || (f[1] == w[1] && f[2] + 0 >= w[2] + 0)) }'; then
        die "Rust $wanted or newer is needed, $(command -v rustc) is $found.
With rustup: rustup update stable. A compiler from the distribution is too old: install rustup (https://rustup.rs)."
    fi
}

# --- what may be missing: one word per need ------------------------------------------------------------------------

# A compiler without its headers is no compiler, so a program is compiled.
cxx_works() {
    have cc && echo '#include <string>' | "${CXX:-c++}" -x c++ -fsyntax-only - >/dev/null 2>&1
}

vulkan_loader_present() {
    [ "$system" = Darwin ] && return 0 # Metal is part of the system
    local ldconfig
    ldconfig=$(PATH=$PATH:/usr/sbin:/sbin command -v ldconfig || true)
    if [ -n "$ldconfig" ] && "$ldconfig" -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; then
        return 0
    fi
    local file
    for file in /usr/lib/libvulkan.so.1 /usr/lib64/libvulkan.so.1 /usr/lib/*/libvulkan.so.1; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# vulkan_driver_present PATTERN: is there a driver manifest whose name matches?
vulkan_driver_present() {
    [ "$system" = Darwin ] && return 0
    local folder file
    for folder in /usr/share /usr/local/share /etc "${XDG_DATA_HOME:-${HOME:-}/.local/share}"; do
        for file in "$folder"/vulkan/icd.d/$1; do
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

missing() {
    have make || echo make
    have cmake || echo cmake
    cxx_works || echo cxx
    vulkan_loader_present || echo loader
    if [ "$purpose" = test ] && ! vulkan_driver_present 'lvp_icd*.json'; then echo driver; fi
}

# package NEED FAMILY
package() {
    case $2:$1 in
        *:make | *:cmake) echo "$1" ;;
        debian:cxx) echo g++ ;;
        fedora:cxx) echo gcc-c++ ;;
        arch:cxx) echo gcc ;;
        debian:loader) echo libvulkan1 ;;
        fedora:loader) echo vulkan-loader ;;
        arch:loader) echo vulkan-icd-loader ;;
        debian:driver | fedora:driver) echo mesa-vulkan-drivers ;;
        arch:driver) echo vulkan-swrast ;;
    esac
}

# names NEED…: as a person would say it
names() {
    local need list=
    for need in "$@"; do
        list="$list${list:+, }"
        case $need in
            cxx) list="${list}a C++ compiler" ;;
            loader) list="${list}the Vulkan loader" ;;
            driver) list="${list}a software Vulkan driver" ;;
            *) list="$list$need" ;;
        esac
    done
    echo "$list"
}

# packages FAMILY NEED…
packages() {
    local family=$1 need list=
    shift
    for need in "$@"; do
        list="$list${list:+ }$(package "$need" "$family")"
    done
    echo "$list"
}

# advice NEED…: the command to type, for the system found or for all that we know
advice() {
    local id=
    [ -r /etc/os-release ] && id=$(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' /etc/os-release | tr -d '"' | tr '\n' ' ')
    case "$system $id" in
        Darwin*) advice_for macos "$@" ;;
        *debian* | *ubuntu*) advice_for debian "$@" ;;
        *fedora* | *rhel*) advice_for fedora "$@" ;;
        *arch*) advice_for arch "$@" ;;
        *)
            local family
            for family in debian fedora arch macos; do advice_for "$family" "$@"; done
            ;;
    esac
}

advice_for() {
    local family=$1 need
    shift
    case $family in
        debian) echo "    Debian, Ubuntu:  sudo apt-get install $(packages debian "$@")" ;;
        fedora) echo "    Fedora:          sudo dnf install $(packages fedora "$@")" ;;
        arch) echo "    Arch:            sudo pacman -S --needed $(packages arch "$@")" ;;
        macos)
            for need in "$@"; do
                case $need in
                    make | cxx) echo "    macOS:           xcode-select --install" ;;
                    cmake) echo "    macOS:           brew install cmake" ;;
                esac
            done | sort -u
            ;;
    esac
}

install_with_apt() {
    local -a sudo=() list
    have apt-get || return 0
    [ "${HEXAQUA_NO_INSTALL:-}" = 1 ] && return 0
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 0
        sudo=(sudo -n)
    fi
    read -r -a list <<<"$(packages debian "$@")"
    echo "hexaqua: installing ${list[*]} (HEXAQUA_NO_INSTALL=1 prevents this)"
    # An unreachable third-party source must not stop us: the install that follows says what is really missing.
    ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 update || true
    ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${list[@]}" || true
}

# --- check, install, check again -----------------------------------------------------------------------------------

check_rust
needs=$(missing)
if [ -n "$needs" ]; then
    # shellcheck disable=SC2086 # needs are single words
    install_with_apt $needs
    needs=$(missing)
fi

required=
optional=
for need in $needs; do
    case $need in
        make | cmake | cxx) required="$required $need" ;;
        *) optional="$optional $need" ;;
    esac
done

# With any other driver the tests still have a device.
if [ "${HEXAQUA_REQUIRE_GPU:-}" = 1 ]; then
    case $optional in
        *loader*) required="$required$optional" optional= ;;
        *driver*) vulkan_driver_present '*.json' || required="$required$optional" optional= ;;
    esac
fi

if [ -n "$required" ]; then
    # shellcheck disable=SC2086
    die "not installed: $(names $required). Install it, then type the same command again:
$(advice $required $optional)"
fi
if [ -n "$optional" ]; then
    # shellcheck disable=SC2086
    printf '%s\n%s\n' "hexaqua: not installed: $(names $optional). The build goes on; without a Vulkan driver
runs use the CPU and tests of the GPU passes are skipped." "$(advice $optional)" >&2
fi
