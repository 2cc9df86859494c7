import { type FormEvent, useEffect, useRef, useState } from "react";
import { errorText, fieldProblems } from "../api/errors.ts";
import { translate } from "../i18n/i18n.ts";
import type { MessageKey } from "../i18n/message.ts";

/** Says what to do about a value, or nothing. */
export type Check<V> = (value: V, all: never) => string | undefined;

const say = (key: MessageKey) => translate(key as "ui.required");
export const required: Check<string> = (value) => (value.trim() === "" ? say("ui.required") : undefined);
export const emailCheck: Check<string> = (value) =>
  /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value.trim()) ? undefined : say("ui.emailInvalid");
export const passwordCheck: Check<string> = (value) => (value.length < 12 ? say("ui.passwordShort") : undefined);
export const slugCheck: Check<string> = (value) =>
  /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/.test(value) ? undefined : say("ui.slugInvalid");

/**
 * The state of a form: values, problems at their fields (ours before sending, the API's after), one general problem, sending or not.
 * `<form onSubmit={form.onSubmit}><TextInput {...form.field("name")} /></form>`
 */
export function useForm<T extends object>(options: {
  initial: T;
  checks?: { [K in keyof T]?: Check<T[K]> };
  submit: (values: T) => Promise<unknown>;
}) {
  const [values, setValues] = useState<T>(options.initial);
  const [problems, setProblems] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState<string>();
  const [sending, setSending] = useState(false);
  const element = useRef<HTMLFormElement>(null);

  const set = <K extends keyof T>(name: K, value: T[K]) => {
    setValues((now) => ({ ...now, [name]: value }));
    setProblems(({ [name as string]: _, ...rest }) => rest);
  };
  const check = () => {
    const found: Record<string, string> = {};
    for (const name of Object.keys(options.checks ?? {}) as (keyof T & string)[]) {
      const message = options.checks?.[name]?.(values[name], values as never);
      if (message) found[name] = message;
    }
    return found;
  };
  // The first field with a problem, once it is drawn as one: in a long form it may be out of sight.
  const unseen = useRef(false);
  const focusFirst = () => {
    unseen.current = true;
  };
  useEffect(() => {
    if (!unseen.current || Object.keys(problems).length === 0) return;
    unseen.current = false;
    element.current?.querySelector<HTMLElement>("[aria-invalid=true],[data-error]")?.focus();
  }, [problems]);
  const send = async () => {
    const found = check();
    setProblems(found);
    setProblem(undefined);
    if (Object.keys(found).length > 0) {
      focusFirst();
      return;
    }
    setSending(true);
    try {
      await options.submit(values);
    } catch (error) {
      const atFields = fieldProblems(error);
      const known = Object.fromEntries(Object.entries(atFields).filter(([name]) => name in values));
      setProblems(known);
      if (Object.keys(known).length === 0) setProblem(errorText(error));
      else focusFirst();
    } finally {
      setSending(false);
    }
  };

  return {
    values,
    set,
    problem,
    setProblem,
    sending,
    element,
    send,
    reset: (to: T = options.initial) => {
      setValues(to);
      setProblems({});
      setProblem(undefined);
    },
    onSubmit: (event: FormEvent<HTMLFormElement>) => {
      event.preventDefault();
      element.current = event.currentTarget;
      void send();
    },
    /** For text inputs. */
    field: <K extends keyof T & string>(name: K) => ({
      name,
      value: values[name] as T[K] & string,
      error: problems[name],
      onChange: (event: { currentTarget: { value: string } }) => set(name, event.currentTarget.value as T[K]),
    }),
    /** For selects and other inputs that give the value itself. */
    choice: <K extends keyof T & string>(name: K) => ({
      value: values[name],
      error: problems[name],
      onChange: (value: T[K] | null) => {
        if (value !== null) set(name, value);
      },
    }),
  };
}
