#!/usr/bin/env bash
# Install what the SLURM tests start: Debian's slurm-wlm and munge. Needs root.
set -euo pipefail
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
