/** The command line itself is wrong: exit code 2, with a hint on how it is right. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** How many single-letter changes, swaps of neighbours included, lie between two words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/** The word that was probably meant: few letters away, or begun and not finished. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  let best: { word: string; score: number } | undefined;
  for (const candidate of words) {
    const begun = word.length >= 3 && candidate.startsWith(word);
    const score = begun ? 0.5 : distance(word.toLowerCase(), candidate.toLowerCase());
    if (score <= Math.max(1, Math.floor(candidate.length / 3)) && score < (best?.score ?? Infinity))
      best = { word: candidate, score };
  }
  return best?.word;
}

/** ` Did you mean "bucket"?`, or nothing. */
export function suggestion(word: string, words: Iterable<string>): string | undefined {
  const near = nearest(word, words);
  return near === undefined ? undefined : `Did you mean "${near}"?`;
}
