/** From a template and what a person said to the variables of an app's environment. */
import { randomInt } from "node:crypto";
import { CloudError } from "../../../kernel/errors.ts";
import type { SettingChange } from "../deploying/settings.ts";
import { fillIn, type Template, type TemplateSetting } from "./template.ts";

export interface Facts {
  url: string;
  host: string;
  name: string;
}

const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
/** Of letters and digits that nobody takes for each other: some 5.8 bits each. */
const random = (length: number): string => Array.from({ length }, () => letters[randomInt(letters.length)]).join("");

const isAsked = (setting: TemplateSetting) => setting.kind !== "fixed" && setting.kind !== "generated";
/** invalid_argument, with each problem at its field, for what is unknown, missing or not as it has to be. */
export function checkAnswers(template: Template, answers: Readonly<Record<string, string>>): void {
  const fields: { path: string; message: string }[] = [];
  const wrong = (name: string, message: string) => fields.push({ path: `body.settings.${name}`, message });
  for (const name of Object.keys(answers)) {
    const setting = template.settings[name];
    if (!setting || !isAsked(setting)) wrong(name, `${template.name} asks for no ${name}.`);
  }
  for (const [name, setting] of Object.entries(template.settings)) {
    const given = answers[name] ?? "";
    if (setting.kind === "choice") {
      if (given !== "" && !setting.choices.some(({ value }) => value === given))
        wrong(name, `Choose one of ${setting.choices.map(({ value }) => value).join(", ")}.`);
    } else if (setting.kind === "text" || setting.kind === "email" || setting.kind === "password") {
      if (given === "") {
        if (setting.required && setting.value === undefined) wrong(name, "This is needed.");
      } else if (given.includes("\0")) wrong(name, "It cannot contain a null byte.");
      else if (setting.kind === "email" && !/^[^\s@]+@[^\s@]+$/.test(given)) wrong(name, "This is no e-mail address.");
      else if (setting.minimum !== undefined && given.length < setting.minimum)
        wrong(name, `At least ${setting.minimum} characters.`);
    }
  }
  if (fields.length === 0) return;
  throw new CloudError(
    "invalid_argument",
    fields.map(({ path, message }) => `${path.slice("body.settings.".length)}: ${message}`).join(" "),
    {
      details: { fields },
    },
  );
}

/** Answers were checked; `has` tells what there is already, which stays. */
export function firstSettings(
  template: Template,
  facts: Facts,
  answers: Readonly<Record<string, string>>,
  has: (name: string) => boolean = () => false,
): SettingChange {
  const change = { set: {} as Record<string, string>, setSecrets: {} as Record<string, string>, unset: [] };
  for (const [name, setting] of Object.entries(template.settings)) {
    if (setting.kind === "fixed") (setting.secret ? change.setSecrets : change.set)[name] = fillIn(setting.value, { ...facts });
    else if (has(name)) continue;
    else if (setting.kind === "generated") change.setSecrets[name] = random(setting.length);
    else {
      const value = answers[name] || setting.value;
      if (value !== undefined) (setting.kind === "password" ? change.setSecrets : change.set)[name] = value;
    }
  }
  return change;
}
