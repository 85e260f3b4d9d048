/** Commands for people to copy. */

/** The command that shows a finding again. `policy`: what `--policy` must name, the module of a user's policy. */
export function replayCommand(file: string, policy?: string): string {
  return `gupfuzz replay ${shellWord(file)}${policy === undefined ? '' : ` --policy ${shellWord(policy)}`}`;
}

/** A file name as one word of a shell command. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
