#!/usr/bin/env bash
# Builds the C library: build.sh <scratch path> <folder for the result>
set -euo pipefail
cd "$(dirname "$0")/../.."
swift build -c release --scratch-path "$1" --target AutogradV2
Scripts/c_library/link.sh "$(swift build -c release --scratch-path "$1" --show-bin-path)" "$2"
