import semver from "semver";
import { defaultVersions, type Runtime, versionsOf } from "../baseImages/recipes.ts";
import { cannotBuild } from "./plan.ts";

/** `1.24` or `24` as semver needs it. */
const whole = (version: string): string => semver.coerce(version)?.version ?? "0.0.0";

/** Whether any release of a version (24: every 24.x.y) is wanted by a range. */
function fits(version: string, range: string): boolean {
  const own = version.includes(".") ? `${version}.x` : `${version}.x.x`;
  try {
    return semver.intersects(own, range);
  } catch {
    return false;
  }
}

/**
 * The version of ours that a range allows: the usual one when it does, else the newest. Throws invalid_argument that names what there is.
 * `range` as npm writes it; `said` is how the file has it.
 */
export function chooseVersion(runtime: Runtime, range: string, file: string, said: string): string {
  const known = versionsOf(runtime).sort((a, b) => semver.compare(whole(b), whole(a)));
  const usual = defaultVersions[runtime];
  if (semver.validRange(range, { loose: true }) === null)
    throw cannotBuild(file, `${said} is no version that is understood here.`);
  if (fits(usual, range)) return usual;
  const chosen = known.find((version) => fits(version, range));
  if (chosen !== undefined) return chosen;
  throw cannotBuild(
    file,
    `version ${said} is not among those that are built here (${known.toReversed().join(", ")}). Allow one of them, or bring a Dockerfile.`,
  );
}

/** As Python writes it (PEP 440): `>=3.10,<4`, `~=3.11`, `==3.12.*`, `^3.11` (Poetry), `3.12.4`. */
export function pythonRange(text: string): string {
  return text
    .split(",")
    .map((part) => part.trim().replace(/\.\*$/, ".x"))
    .map((part) => {
      if (part.startsWith("~=")) {
        const numbers = part.slice(2).trim().split(".");
        return numbers.length <= 2 ? `^${numbers.join(".")}` : `~${numbers.join(".")}`;
      }
      if (part.startsWith("==")) return part.replace(/^=+/, "");
      // Nothing of ours is left out by one patch release.
      if (part.startsWith("!=")) return "*";
      return part;
    })
    .join(" ");
}

/** As Composer writes it: `^8.1|^8.2`, `~8.2.0`, `8.2.*`, `>=8.1,<9`. `~8.1` is up to 9 there. */
export function composerRange(text: string): string {
  return text
    .split(/\|\|?/)
    .map((either) =>
      either
        .trim()
        .split(/[\s,]+(?![-])/)
        .map((part) => (/^~\d+\.\d+$/.test(part) ? `^${part.slice(1)}` : part))
        .join(" "),
    )
    .join(" || ");
}

/** Versions down to the minor one: a patch release in a file is not ours to choose. */
export const minorOf = (version: string): string => /^v?(\d+(?:\.\d+)?)/.exec(version.trim())?.[1] ?? version.trim();
