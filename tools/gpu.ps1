# gpu.ps1 OUT [OPTION...]: gpu.sh for Windows without a shell of Unix; it says what is done. Only Windows can run it, so no test does.
param([Parameter(Mandatory)][string]$Out, [Parameter(ValueFromRemainingArguments)][string[]]$Options)
$ErrorActionPreference = 'Stop'
New-Item -ItemType Directory -Force $Out | Out-Null
$Out = (Resolve-Path $Out).Path
Set-Location (Join-Path $PSScriptRoot '..')
$Mtpret = $env:MTPRET
if (-not $Mtpret) {
    cargo build --release --locked
    if ($LASTEXITCODE) { exit $LASTEXITCODE }
    $Mtpret = 'target\release\mtpret.exe'
}
$Python = if ($env:PYTHON) { $env:PYTHON } else { 'python' }
$Torch = @()
if (Get-Command $Python -ErrorAction SilentlyContinue) {
    & $Python -c 'import torch, torchvision' 2>$null
    if ($LASTEXITCODE -eq 0) { $Torch = @('--torch', $Python) }
}
if (-not $Torch) { Write-Warning "$Python has no torch and torchvision: nothing is compared with PyTorch" }
# Windows PowerShell would write UTF-16: cmd writes the bytes as they come.
cmd /c "`"$Mtpret`" doctor --json > `"$Out\doctor.json`""
if ($LASTEXITCODE) { Write-Warning "doctor found faults: $Out\doctor.json" }
& $Mtpret bench all $Out @Torch @Options
if ($LASTEXITCODE) { exit $LASTEXITCODE }
cmd /c "`"$Mtpret`" bench loader --json > `"$Out\loader.json`""
exit $LASTEXITCODE
