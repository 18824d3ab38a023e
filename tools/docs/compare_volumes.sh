#!/usr/bin/env bash
# Train and test LightMedSeg, its peers and its ablations alike; fill the tables of
# docs/lightmedseg.md. Called again it goes on where it stopped.
#
#   bash tools/docs/compare_volumes.sh DATA [--small] [--tables]
#
#   DATA      a folder of tools/data/make_synbrain.py
#   --small   crops of 32^3, for DATA of 64^3
#   --tables  no training: the tables from what is finished
#
#   OUT       folder of the work dirs (default: work_dirs/volumes)
#   PY        interpreter (default: .venv/bin/python)
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit "$1"; }

[ $# -gt 0 ] || usage 2
case $1 in -h|--help) usage 0 ;; esac
data=${1%/}/
shift
OUT=${OUT:-work_dirs/volumes}
PY=${PY:-.venv/bin/python}
base=configs/lightmedseg
options=(train_dataloader.dataset.data_root="$data" val_dataloader.dataset.data_root="$data"
         test_dataloader.dataset.data_root="$data" default_hooks.checkpoint.interval=5)
trains=1
for word in "$@"; do
    case $word in
        --small)
            crop=train_dataloader.dataset.pipeline.0.transforms
            options+=("$crop.0.spatial_size=(32,32,32)" "$crop.1.spatial_size=(32,32,32)"
                      'model.test_cfg.roi_size=(64,64,64)') ;;
        --tables) trains=0 ;;
        *) usage 2 ;;
    esac
done

# run NAME: train NAME to the end and test its last epoch, unless that is done.
run() {
    local config
    config=$(find $base -name "$1.py")
    [ -n "$config" ] || { echo "$1: no such config in $base" >&2; exit 1; }
    local work=$OUT/$1
    [ -e "$work/test.volumes.json" ] && return
    [ $trains = 1 ] || return 0
    "$PY" tools/train.py "$config" --work-dir "$work" --resume --cfg-options "${options[@]}"
    "$PY" tools/test.py "$config" "$work/$(basename "$(cat "$work/last_checkpoint")")" \
        --work-dir "$work/test" --cfg-options "${options[@]}" \
        test_evaluator.outfile_prefix="$work/test"
}

# table NAME LABEL=RUN...: run all, then write the table; the first is the reference.
table() {
    local name=$1 runs=() pair
    shift
    for pair in "$@"; do
        run "${pair#*=}"
        if [ -e "$OUT/${pair#*=}/test.volumes.json" ]; then
            runs+=(--run "${pair%%=*}=$OUT/${pair#*=}/test.volumes.json")
        fi
    done
    if [ "${#runs[@]}" -lt 4 ]; then
        echo "$name: fewer than two networks are finished; its table stays as it is" >&2
        return
    fi
    "$PY" tools/analysis_tools/compare_volumes.py "${runs[@]}" --reference "${1%%=*}" \
        --json "$OUT/$name.json" --docs docs/lightmedseg.md --table "$name"
}

for task in lesion tissue; do
    end=1xb2-60e_synbrain-$task
    table $task "LightMedSeg, 0.48 M=lightmedseg-a_$end" "UNet, 4.8 M=unet_$end" \
        "SegResNet, 4.7 M=segresnet_$end" "DynUNet, 5.6 M=dynunet_$end" \
        "UNet, 0.50 M=unet-0.5m_$end" "SegResNet, 0.44 M=segresnet-0.5m_$end" \
        "DynUNet, 0.46 M=dynunet-0.5m_$end"
done
end=1xb2-60e_synbrain-lesion
table ablation "LightMedSeg=lightmedseg-a_$end" "without anchors=lightmedseg-a_no-anchors_$end" \
    "without texture=lightmedseg-a_no-texture_$end" "without router=lightmedseg-a_no-router_$end" \
    "plain convolutions=lightmedseg-a_plain-conv_$end"
