/** How a route is called to see who may. */
export interface Input {
  params?: Record<string, string | number>;
  query?: Record<string, string | number | boolean>;
  body?: object;
  /** Of a byte route. */
  bytes?: string;
}

export interface Case {
  input: () => Promise<Input> | Input;
  /** Checked at the cloud itself, which is no secret: for what is not about somebody, the owner of another organisation gets 403. */
  atCloud?: true;
  /** Why the owner's call, though let through, ends otherwise: the state that it needs is made elsewhere. */
  ownerStatus?: number;
  /** Of the owner of another organisation, where everybody may know of the thing. */
  foreignStatus?: number;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of all kinds.
export type Json = Record<string, any>;
