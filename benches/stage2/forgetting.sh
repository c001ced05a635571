#!/bin/sh
# forgetting.sh DATA BACKBONES RUN SEED: one seed of "what is forgotten?": 8 rounds of three tasks, two of classes and one of
# masks, every task validated after every visit, with and without L²-SP, toward the task before or toward stage 1, and once with the
# backbone's momentum kept. BACKBONES is help.sh's RUN, whose stage 1 it begins with. `mtpret report RUN/*` draws each.
set -eu
data=$1 backbones=$2 run=$3 seed=$4

arm() {
    name=$1; shift
    folder=$run/$name-seed-$seed
    ! [ -e "$folder/weights.safetensors" ] || return 0
    if [ -e "$folder/checkpoint.safetensors" ]; then
        "${MTPRET:-mtpret}" multitask --resume "$folder"
        return
    fi
    "${MTPRET:-mtpret}" multitask multitask/resnet18 --data "$data" --weights "$backbones/stages/resnet18/seed-$seed/md-moco" \
        --run "$folder" --set seed="$seed" --set tasks='["pneumonia","mura","lung"]' --set rounds=8 \
        --set source.lung.known=shenzhen --set source.mura.known=fracatlas --set visit='{ steps = 12 }' --set validate=visit --set validate_films=48 --set data.width=64 --set data.height=64 \
        --set data.batch=16 --set data.cache_mb=512 --set segment.width=128 --set segment.height=128 --set segment.batch=8 \
        --set segment.output_stride=16 --set optim.lr=0.005 --set optim.lr_min=1e-4 \
        --set log.every=12 --set log.save_every=96 "$@"
}
arm none --set l2sp.alpha=0.0
arm task-0.1 --set l2sp.anchor=prev_task --set l2sp.alpha=0.1
arm task-1 --set l2sp.anchor=prev_task --set l2sp.alpha=1.0
arm moco-0.1 --set l2sp.anchor=moco --set l2sp.alpha=0.1
arm moco-1 --set l2sp.anchor=moco --set l2sp.alpha=1.0
arm momentum-kept --set l2sp.anchor=prev_task --set l2sp.alpha=0.1 --set keep_backbone_momentum=true
