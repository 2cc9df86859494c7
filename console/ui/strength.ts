export const strengths = ["weak", "fair", "good", "strong"] as const;
export type Strength = (typeof strengths)[number];

const usual = /(password|passwort|parol|пароль|qwert|azerty|йцукен|letmein|khmara|admin|welcome|123|abc|111|000)/gi;

/** A rough measure: what is usual or repeated counts little, length counts most. */
export function passwordStrength(password: string): Strength {
  const rest = password.replace(usual, "*").replace(/(.)\1+/g, "$1");
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{L}\d]/u].filter((kind) => kind.test(rest)).length;
  const points = rest.length + new Set(rest).size / 2 + kinds * 2;
  if (password.length < 12 || points < 18) return "weak";
  if (points < 24) return "fair";
  return points < 32 ? "good" : "strong";
}
