#!/bin/sh
# schedules.sh DATA RUN SEED: one unit of "which rate, which weights, which head?", in division 0 of help.sh's RUN, whose stage 1
# and MTPret it shares: at the same sum of rates a cosine with restarts and a constant rate, the average of a visit's weights
# handed on, and heads of stage 2 kept. `mtpret report RUN` compares them.
set -eu
data=$1 run=$2 seed=$3
settings='{
    sgdr = ["multitask.optim.schedule=sgdr"],
    constant = ["multitask.optim.schedule=constant", "multitask.optim.lr=0.00255", "multitask.optim.lr_min=0.0"],
    average = ["multitask.ema=0.9"],
    heads-kept = ["finetune.keep_head=true"],
}'
set -- --set columns='["mtpret"]' --set targets='["pneumonia","fracatlas","shenzhen","tbx11k"]' --set labels='[1.0]' \
    --set label_targets='[]' --set moco.epochs=8 --set multitask.rounds=3 --set target.tbx11k.epochs=2 --set seeds="[$seed]" \
    --set divisions='[0]' --set variants="$(echo "$settings" | tr -d '\n')"
if [ -e "$run/config.resolved.toml" ]; then
    exec "${MTPRET:-mtpret}" reproduce --resume "$run" --accept-changes "$@"
fi
exec "${MTPRET:-mtpret}" reproduce reproduce/small --data "$data" --run "$run" "$@"
