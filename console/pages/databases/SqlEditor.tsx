import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { PostgreSQL, type SQLNamespace, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useImperativeHandle, useRef } from "react";
import type { Mark, SqlEditorHandle, SqlEditorProps } from "./sqlEditor.ts";

const setMark = StateEffect.define<Mark | undefined>();
const wrong = Decoration.mark({ class: "khmara-sql-wrong" });
/** Where the last run went wrong, until the text changes there. */
const markField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, change) {
    let next = marks.map(change.changes);
    if (change.docChanged) next = Decoration.none;
    for (const effect of change.effects)
      if (effect.is(setMark)) {
        const mark = effect.value;
        const length = change.state.doc.length;
        const from = Math.min(mark?.from ?? 0, length);
        const to = Math.min(mark?.to ?? 0, length);
        next = mark && to > from ? Decoration.set([wrong.range(from, to)]) : Decoration.none;
      }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--k-accent-text)", fontWeight: "550" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--k-good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--k-warn)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--k-muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--k-accent-text)" },
]);
const look = EditorView.theme({
  "&": { fontSize: "13px", backgroundColor: "var(--k-surface)", color: "var(--k-text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    fontFamily: "var(--mantine-font-family-monospace)",
    lineHeight: "1.6",
    minHeight: "160px",
    maxHeight: "44vh",
  },
  ".cm-content": { caretColor: "var(--k-text)", padding: "10px 0" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--k-muted)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--k-accent) 6%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--k-text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--k-accent) 28%, transparent)",
  },
  ".cm-tooltip": { backgroundColor: "var(--k-raised)", border: "1px solid var(--k-border)", borderRadius: "8px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--k-accent-soft)", color: "var(--k-text)" },
  ".cm-placeholder": { color: "var(--k-muted)" },
  ".khmara-sql-wrong": {
    textDecoration: "underline wavy var(--k-bad)",
    textUnderlineOffset: "3px",
    backgroundColor: "color-mix(in srgb, var(--k-bad) 12%, transparent)",
  },
});

const language = (schema: SQLNamespace) => sql({ dialect: PostgreSQL, schema, defaultSchema: "public" });

/** CodeMirror with PostgreSQL's words and the tables that there are. Escape, then Tab, leaves it by keyboard. */
export default function SqlEditor(props: SqlEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  // What the editor calls is always what was given last.
  const latest = useRef(props);
  latest.current = props;
  const words = useRef(new Compartment());

  // biome-ignore lint/correctness/useExhaustiveDependencies: made once; what changes reaches it below
  useEffect(() => {
    const run = () => {
      latest.current.onRun();
      return true;
    };
    const editor = new EditorView({
      parent: place.current as HTMLDivElement,
      state: EditorState.create({
        doc: props.initial,
        extensions: [
          Prec.highest(keymap.of([{ key: "Mod-Enter", run, preventDefault: true }])),
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          // Its signs for kinds are letters that few fonts have.
          autocompletion({ icons: false }),
          highlightActiveLine(),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
          words.current.of(language(props.schema)),
          syntaxHighlighting(colours),
          look,
          markField,
          placeholder(props.placeholder),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": props.label, autocapitalize: "none", spellcheck: "false" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, []);
  useEffect(() => {
    view.current?.dispatch({ effects: words.current.reconfigure(language(props.schema)) });
  }, [props.schema]);

  useImperativeHandle(
    props.handle,
    (): SqlEditorHandle => ({
      selected() {
        const state = view.current?.state;
        const { from, to } = state?.selection.main ?? { from: 0, to: 0 };
        return from === to || state === undefined ? undefined : { from, text: state.sliceDoc(from, to) };
      },
      replace(text) {
        const editor = view.current;
        editor?.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, selection: { anchor: text.length } });
        editor?.focus();
      },
      mark(mark) {
        view.current?.dispatch({
          effects: setMark.of(mark),
          ...(mark ? { selection: { anchor: Math.min(mark.from, view.current.state.doc.length) }, scrollIntoView: true } : {}),
        });
      },
    }),
    [],
  );
  return <div ref={place} />;
}
