/**
 * A line for the scripts of mmdebstrap's `--customize-hook`: empties `$root/tmp`. What mmdebstrap itself has there stays: it is needed by what it does
 * after the hook, and goes then; without it, it would clean this host's apt instead of the new system's.
 */
export const emptyTmp = `find "$root/tmp" -mindepth 1 -maxdepth 1 ! -name 'mmdebstrap.*' -exec rm -rf {} +`;
