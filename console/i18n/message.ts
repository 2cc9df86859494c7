import type { Areas } from "./areas.ts";

/** The forms of a counted message; which ones a language needs is what Intl.PluralRules says. */
export interface Plural {
  one?: string;
  few?: string;
  many?: string;
  other: string;
}
export type Message = string | Plural;

/** What a translation must be: the same keys as English, and plural where English is. */
export type Translation<English> = { [K in keyof English]: English[K] extends string ? string : Plural };

export type Area = keyof Areas & string;
export type MessageKey = { [A in Area]: `${A}.${keyof Areas[A] & string}` }[Area];

type Found<K extends MessageKey> = K extends `${infer A}.${infer Rest}`
  ? A extends Area
    ? Rest extends keyof Areas[A]
      ? Areas[A][Rest]
      : never
    : never
  : never;
type Placeholders<S> = S extends `${string}{${infer P}}${infer Rest}` ? P | Placeholders<Rest> : never;
type Names<M> = M extends string ? Placeholders<M> : M extends { other: infer O } ? Placeholders<O> | "count" : never;

/** The values that a message asks for, by its placeholders: `{name}` needs `name`. */
export type Values<K extends MessageKey, V> = [Names<Found<K>>] extends [never] ? [] : [values: { [N in Names<Found<K>>]: V }];
