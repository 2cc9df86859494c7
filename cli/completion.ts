import { globalFlags } from "./arguments.ts";
import { type Command, commands, resources, verbsOf } from "./commands.ts";
import { extrasOf } from "./extras.ts";
import type { Terminal } from "./terminal.ts";
import { suggestion, UsageError } from "./usage-error.ts";

const completionHelp = `Print a script that completes commands in your shell.

Usage: khmara completion bash|zsh|fish

  bash   khmara completion bash > ~/.local/share/bash-completion/completions/khmara
  zsh    khmara completion zsh > "\${fpath[1]}/_khmara"
  fish   khmara completion fish > ~/.config/fish/completions/khmara.fish
`;

interface Word {
  word: string;
  summary: string;
}

interface FlagWord extends Word {
  choices: string[];
  takesValue: boolean;
}

const oneLine = (text: string | undefined): string => (text ?? "").split(/(?<=\.)\s/)[0]?.replace(/[`'"\\$:[\]]/g, "") ?? "";

const ownVerbs: Record<string, Word[]> = {
  profile: ["list", "show", "use", "set", "delete"].map((word) => ({ word, summary: "profiles of this machine" })),
  completion: ["bash", "zsh", "fish"].map((word) => ({ word, summary: "" })),
  service: [{ word: "install", summary: "start the cloud with the machine" }],
};

const firstWords = (): Word[] => [
  ...resources().map((word) => ({
    word,
    summary: verbsOf(word)
      .map((one) => one.verb)
      .join(", "),
  })),
  ...["login", "logout", "ssh", "completion", "help", "up", "test", "service", "password-reset-link", "version"].map((word) => ({
    word,
    summary: "",
  })),
];

const secondWords = (first: string): Word[] => [
  ...verbsOf(first).map((one) => ({ word: one.verb, summary: oneLine(one.summary) })),
  ...(ownVerbs[first] ?? []),
];

/** Flags of the command, and those that all have. */
function flagWords(command: Command): FlagWord[] {
  const own = command.arguments.map((one) => ({
    word: `--${one.flag}`,
    summary: oneLine(one.description),
    choices: one.value.kind === "choice" ? one.value.choices : [],
    takesValue: one.value.kind !== "boolean",
  }));
  const extra = extrasOf(command.key).flags.map((one) => ({
    word: `--${one.flag}`,
    summary: oneLine(one.summary),
    choices: [],
    takesValue: one.value,
  }));
  const general = Object.entries(globalFlags).map(([name, one]) => ({
    word: `--${name}`,
    summary: one.summary,
    choices: [],
    takesValue: one.value,
  }));
  const seen = new Set<string>();
  return [...own, ...extra, ...general].filter((one) => !seen.has(one.word) && seen.add(one.word));
}

const everyFirst = (): string[] => [...new Set([...resources(), ...Object.keys(ownVerbs)])];

export function bashCompletion(): string {
  const verbCases = everyFirst().map(
    (first) =>
      `    ${first}) words="${secondWords(first)
        .map((one) => one.word)
        .join(" ")}" ;;`,
  );
  const flagCases = commands().map(
    (one) =>
      `    "${one.resource} ${one.verb}") words="${flagWords(one)
        .map((flag) => flag.word)
        .join(" ")}" ;;`,
  );
  const choiceCases = commands().flatMap((one) =>
    flagWords(one)
      .filter((flag) => flag.choices.length > 0)
      .map((flag) => `    "${one.resource} ${one.verb} ${flag.word}") words="${flag.choices.join(" ")}" ;;`),
  );
  return `# Completion of khmara for bash.
_khmara() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${firstWords()
      .map((one) => one.word)
      .join(" ")}"
  elif [ "$COMP_CWORD" -eq 2 ]; then
    case "\${COMP_WORDS[1]}" in
${verbCases.join("\n")}
    esac
  else
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]} $previous" in
${choiceCases.join("\n")}
    esac
    if [ -z "$words" ] && [[ "$current" == -* ]]; then
      case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${flagCases.map((line) => `  ${line}`).join("\n")}
      esac
    fi
    if [ -z "$words" ]; then
      compopt -o default 2>/dev/null
      return
    fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _khmara khmara ./khmara
`;
}

export function zshCompletion(): string {
  const described = (list: Word[]) => list.map((one) => `'${one.word}${one.summary ? `:${one.summary}` : ""}'`).join(" ");
  const verbCases = everyFirst().map((first) => `    ${first}) verbs=(${described(secondWords(first))}) ;;`);
  const flagCases = commands().map((one) => {
    const specs = flagWords(one).map((flag) => {
      const summary = flag.summary ? `[${flag.summary}]` : "";
      if (!flag.takesValue) return `'${flag.word}${summary}'`;
      return `'${flag.word}${summary}:value:${flag.choices.length > 0 ? `(${flag.choices.join(" ")})` : "_files"}'`;
    });
    return `    "${one.resource} ${one.verb}") flags=(${specs.join(" ")}) ;;`;
  });
  return `#compdef khmara ./khmara
# Completion of khmara for zsh.
_khmara() {
  local -a words_first verbs flags
  if (( CURRENT == 2 )); then
    words_first=(${described(firstWords())})
    _describe 'resource' words_first
    return
  fi
  if (( CURRENT == 3 )); then
    case "$words[2]" in
${verbCases.join("\n")}
    esac
    _describe 'verb' verbs
    return
  fi
  case "$words[2] $words[3]" in
${flagCases.join("\n")}
  esac
  words=("\${(@)words[3,-1]}")
  (( CURRENT -= 2 ))
  _arguments $flags '*:value:_files'
}
if [ "$funcstack[1]" = "_khmara" ]; then _khmara "$@"; else compdef _khmara khmara; fi
`;
}

export function fishCompletion(): string {
  const lines = ["# Completion of khmara for fish.", "complete -c khmara -f"];
  const text = (summary: string) => (summary ? ` -d '${summary}'` : "");
  for (const one of firstWords()) lines.push(`complete -c khmara -n __fish_use_subcommand -a ${one.word}${text(one.summary)}`);
  for (const first of everyFirst()) {
    const verbs = secondWords(first);
    const unseen = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${verbs.map((one) => one.word).join(" ")}`;
    for (const one of verbs) lines.push(`complete -c khmara -n '${unseen}' -a ${one.word}${text(one.summary)}`);
  }
  for (const one of commands()) {
    const seen = `__fish_seen_subcommand_from ${one.resource}; and __fish_seen_subcommand_from ${one.verb}`;
    for (const flag of flagWords(one)) {
      const value = flag.takesValue ? (flag.choices.length > 0 ? ` -x -a '${flag.choices.join(" ")}'` : " -r -F") : "";
      lines.push(`complete -c khmara -n '${seen}' -l ${flag.word.slice(2)}${value}${text(flag.summary)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const shells: Record<string, () => string> = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export async function completionCommand([shell]: string[], terminal: Terminal): Promise<number> {
  if (shell === undefined || shell === "--help" || shell === "-h") {
    terminal.out(completionHelp);
    return shell === undefined ? 2 : 0;
  }
  const script = shells[shell];
  if (!script)
    throw new UsageError(`There is no completion for "${shell}": bash, zsh, fish.`, suggestion(shell, Object.keys(shells)));
  terminal.out(script());
  return 0;
}
