import type { Setting } from "../../../services/apps/deploying/contract.ts";
import type { Variable } from "./dotenv.ts";
import { looksSecret } from "./dotenv.ts";

/** What is to become of one variable; absent from the draft: it stays as it is. */
export type Draft = { kind: "set"; value: string; isSecret: boolean } | { kind: "unset" };
export type Drafts = Readonly<Record<string, Draft>>;

export interface VariableRow {
  name: string;
  setting: Setting | undefined;
  draft: Draft | undefined;
}

/** What there is and what is being changed, in one list by name. */
export function variableRows(settings: readonly Setting[], drafts: Drafts): VariableRow[] {
  const known = new Map(settings.map((setting) => [setting.name, setting]));
  return [...new Set([...known.keys(), ...Object.keys(drafts)])]
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => ({ name, setting: known.get(name), draft: drafts[name] }));
}

/** A draft that changes nothing is none. */
export function withDraft(drafts: Drafts, setting: Setting | undefined, name: string, draft: Draft | undefined): Drafts {
  const { [name]: _, ...rest } = drafts;
  if (draft === undefined) return rest;
  if (draft.kind === "unset" && setting === undefined) return rest;
  if (
    draft.kind === "set" &&
    setting &&
    !setting.isSecret &&
    !draft.isSecret &&
    !setting.isMissing &&
    setting.value === draft.value
  )
    return rest;
  return { ...rest, [name]: draft };
}

/** The variables of a pasted file become drafts; those whose names sound so are secrets, and what is a secret stays one. */
export function pasted(drafts: Drafts, settings: readonly Setting[], variables: readonly Variable[]): Drafts {
  let next = drafts;
  for (const { name, value } of variables) {
    const setting = settings.find((one) => one.name === name);
    next = withDraft(next, setting, name, { kind: "set", value, isSecret: setting?.isSecret ?? looksSecret(name) });
  }
  return next;
}

/** One request for all of them. */
export function settingChange(drafts: Drafts): {
  set: Record<string, string>;
  setSecrets: Record<string, string>;
  unset: string[];
} {
  const entries = Object.entries(drafts);
  const of = (isSecret: boolean) =>
    Object.fromEntries(
      entries.flatMap(([name, draft]) => (draft.kind === "set" && draft.isSecret === isSecret ? [[name, draft.value]] : [])),
    );
  return {
    set: of(false),
    setSecrets: of(true),
    unset: entries.filter(([, draft]) => draft.kind === "unset").map(([name]) => name),
  };
}
