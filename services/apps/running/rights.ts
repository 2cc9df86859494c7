import type { ReleaseView } from "../parts.ts";

/** What images need that begin as root, give folders away and go on as somebody else. */
const forChangingUser = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"] as const;
const refused =
  /operation not permitted|\bEPERM\b|\b(setres|set|init)(gid|uid|groups)\b.*(fail|denied|cannot)|(fail|cannot|unable).*\b(setres|set|init)(gid|uid|groups)\b/i;

/** What to do about a container whose last words sound as if it missed rights of root; nothing when they do not. */
export function rightsHint(words: string, release: Pick<ReleaseView, "capabilities">): string | undefined {
  if (!refused.test(words)) return undefined;
  const missing = forChangingUser.filter((each) => !release.capabilities.includes(each));
  if (missing.length === 0) return undefined;
  return (
    `It was not permitted to do something, as containers have no rights of root by themselves. If its image starts as root and then changes its user, ` +
    `let the app have the capabilities ${missing.join(", ")}: in its settings, by khmara app update, or as "capabilities" in khmara.json.`
  );
}
