#!/bin/sh
# help.sh DATA RUN SEED DIVISION: one unit of "does MTPret help?", a seed of training with a division: the small experiment's
# targets but COVID (whose classes are two hospitals), 8 epochs of stage 1, 3 rounds of stage 2, and in division 0 a tenth and a
# quarter of the labels of two targets. Units share RUN; what is there is not trained again. `mtpret report RUN` compares them.
set -eu
data=$1 run=$2 seed=$3 division=$4
labels='[1.0]'
[ "$division" != 0 ] || labels='[0.1,0.25,1.0]'
set -- --set columns='["scratch","md-moco","mtpret--","mtpret"]' --set targets='["nih","pneumonia","fracatlas","shenzhen","tbx11k"]' \
    --set moco.epochs=8 --set multitask.rounds=3 --set target.tbx11k.epochs=2 \
    --set seeds="[$seed]" --set divisions="[$division]" --set labels="$labels" --set label_targets='["pneumonia","fracatlas"]' \
    --set variants='{}'
if [ -e "$run/config.resolved.toml" ]; then
    exec "${MTPRET:-mtpret}" reproduce --resume "$run" --accept-changes "$@"
fi
exec "${MTPRET:-mtpret}" reproduce reproduce/small --data "$data" --run "$run" "$@"
