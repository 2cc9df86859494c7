/** Commands as people write them: one line for a shell. */

/** What only a shell can do beyond starting one program. */
const shellWords = /[;&|<>()`\n\\]|\$\(|^\s*(?:if|for|while|case|cd|export|set|source|\.|exec|\{|!|trap|ulimit|umask)(?:\s|$)/;

/**
 * What the engine starts. A single program takes the place of the shell, so that it gets SIGTERM itself and can end its work; a shell in
 * between would keep the signal to itself.
 */
export function commandWords(command: string): string[] {
  const line = command.trim();
  if (shellWords.test(line)) return ["/bin/sh", "-c", line];
  // `NAME=value program`: exec takes no assignments.
  const assigned = /^[A-Za-z_]\w*=/.test(line);
  return ["/bin/sh", "-c", assigned ? `exec env ${line}` : `exec ${line}`];
}

/** As one word for a shell. */
export const quoted = (word: string): string => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

const processLine = /^([A-Za-z0-9_][A-Za-z0-9_-]{0,62})\s*:\s*(.+)$/;

/** `name: command` per line, `#` for notes (Heroku's Procfile). The lines that are neither are returned too, by number. */
export function readProcfile(text: string): { processes: Record<string, string>; wrong: number[] } {
  const processes: Record<string, string> = {};
  const wrong: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [, name, command] = processLine.exec(trimmed) ?? [];
    if (name === undefined || command === undefined || name in processes) wrong.push(index + 1);
    else processes[name] = command.trim();
  }
  return { processes, wrong };
}
