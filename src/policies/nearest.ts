/** "Did you mean ...?": the known word closest to what was typed. */

/** A word that contains what was typed or begins it, or is at most a third of its letters away; else undefined. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const wanted = typed.toLowerCase();
  if (wanted.length >= 3) {
    const containing =
      known.find((word) => word.toLowerCase().includes(wanted)) ??
      known
        .filter((word) => wanted.includes(word.toLowerCase()))
        .reduce<string | undefined>((a, b) => (a === undefined || b.length > a.length ? b : a), undefined);
    if (containing !== undefined) return containing;
  }
  const [best] = known
    // Whatever is typed, it may be long.
    .filter((word) => Math.abs(word.length - wanted.length) <= Math.max(1, word.length / 3))
    .map((word) => ({ word, away: distance(wanted, word.toLowerCase()) }))
    .filter(({ word, away }) => away <= Math.max(1, Math.floor(word.length / 3)))
    .sort((a, b) => a.away - b.away);
  return best?.word;
}

/** `; did you mean X?`, or a full stop. */
export function hint(typed: string, known: readonly string[]): string {
  const near = nearest(typed, known);
  return near === undefined ? '.' : `; did you mean ${near}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
