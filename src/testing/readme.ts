/** README.md, and its examples. */
import { readFileSync } from 'node:fs';

export const README: string = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The fenced block after `<!-- example: NAME -->`. */
export function example(name: string): string {
  const match = new RegExp(`<!-- example: ${name} -->\n\`\`\`\\w+\n([^]*?)\n\`\`\``).exec(README);
  if (match === null) throw new Error(`README.md has no example ${name}`);
  return match[1]!;
}
