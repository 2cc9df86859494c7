import type { SQLNamespace } from "@codemirror/lang-sql";
import type { Ref } from "react";

/** A part of the text, in UTF-16 units. */
export interface Mark {
  from: number;
  to: number;
}
export interface SqlEditorHandle {
  /** What is selected, and where it begins; undefined when nothing is. */
  selected(): { from: number; text: string } | undefined;
  replace(text: string): void;
  mark(mark: Mark | undefined): void;
}
export interface SqlEditorProps {
  initial: string;
  label: string;
  placeholder: string;
  /** Tables and their columns, to be offered while one types. */
  schema: SQLNamespace;
  onChange: (text: string) => void;
  /** Control (or Command) and Enter. */
  onRun: () => void;
  handle: Ref<SqlEditorHandle>;
}
