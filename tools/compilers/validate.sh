#!/bin/sh
# validate.sh COMMAND…: runs a command under Vulkan's validation layer, with its check that no two commands
# touch the same memory without a barrier between them. Prints what the layer says, if anything, and then
# fails; else the exit status is the command's. Exit 3: the layer is not installed. REPORT=error,warn,info lets it say too that it
# is there, so that this gate can be seen to close.
set -eu
[ -e /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json ] || { echo "the validation layer is not installed"; exit 3; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Every instance of Vulkan opens the log anew, and would empty a file; a pipe keeps what the last one said.
mkfifo "$folder/pipe"
cat "$folder/pipe" >"$folder/said" &
exec 3>"$folder/pipe"
cat >"$folder/vk_layer_settings.txt" <<END
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = ${REPORT:-error,warn}
khronos_validation.log_filename = $folder/pipe
END
status=0
VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_SETTINGS_PATH=$folder "$@" 3>&- || status=$?
exec 3>&-
wait
[ ! -s "$folder/said" ] || { cat "$folder/said"; exit 1; }
exit "$status"
